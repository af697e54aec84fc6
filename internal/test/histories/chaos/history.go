//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/docent-zk/docent/internal/test/histories"
)

// judgement is how long porcupine may take for one history, in the time of the machine.
const judgement = 5 * time.Second

// never is when an operation returns of which nobody has seen the end.
const never = int64(1) << 62

// judgeHistories asks porcupine for every lock, semaphore and counter of every slice.
func (v *Verdict) judgeHistories(o *Outcome) {
	for object, list := range tenures(o.Records) {
		if slices.ContainsFunc(list, func(t *tenure) bool { return t.Holds || t.Role == roleMulti }) {
			continue // with Hold an overlap can have a cause; several locks are locks of one path each, which judgeHolders looks at
		}
		if list[0].weight > 0 {
			v.linearizable(histories.Permits, histories.Allow(permitHistory(list), permits), object)
			continue
		}
		v.linearizable(histories.Locks, lockHistory(list, o.Records), object)
	}
	for object, list := range adds(o) {
		v.linearizable(histories.Counting(0, -1), countHistory(list), object)
	}
}

func (v *Verdict) linearizable(model porcupine.Model, history []porcupine.Operation, name string) {
	v.Operations += len(history)
	switch porcupine.CheckOperationsTimeout(model, history, judgement) {
	case porcupine.Ok:
		v.Histories++
	case porcupine.Unknown:
		v.Undecided++
	default:
		v.violate("%v", histories.Judge(model, history, "chaos"+name))
	}
}

// row is the number of a client in porcupine's pages. Every operation of an actor that can be under way beside others gets one of its own.
func row(r Record, n int) int { return ((r.Worker*100+r.Life)*100+r.Actor)*4 + n }

// ends is when a tenure is over: its holder has looked for the last time, or was killed at some time after its first look.
func (t *tenure) ends() (call, back int64) {
	if t.ended {
		return int64(t.last), int64(t.work)
	}
	return int64(t.last), never
}

func lockHistory(list []*tenure, records []Record) []porcupine.Operation {
	var history []porcupine.Operation
	put := func(r Record, n int, in histories.LockInput, out any, call, back int64) {
		in.Token, in.Who = r.Token, who(r)
		history = append(history, porcupine.Operation{ClientId: row(r, n), Input: in, Output: out, Call: call, Return: back})
	}
	for _, t := range list {
		kind := histories.Acquire
		if t.Shared {
			kind = histories.Share
		}
		call, back := t.ends()
		put(t.Record, 0, histories.LockInput{Kind: kind, Client: t.Worker}, histories.LockOutput{Token: t.Token}, int64(t.From), int64(t.To))
		put(t.Record, 1, histories.LockInput{Kind: histories.End}, histories.LockOutput{}, call, back)
		if t.gone != 0 {
			put(t.Record, 2, histories.LockInput{Kind: histories.Gone}, histories.LockOutput{}, int64(t.work), int64(t.gone))
		}
	}
	for _, r := range lastOf(records, register(list[0].Object)) {
		switch in := (histories.LockInput{Kind: histories.Write}); r.Result {
		case Applied:
			put(r, 3, in, histories.LockOutput{}, int64(r.From), int64(r.To))
		case Refused:
			put(r, 3, in, histories.LockOutput{Refused: true}, int64(r.From), int64(r.To))
		case Unknown:
			put(r, 3, in, nil, int64(r.From), never)
		}
	}
	return inOrder(history)
}

// who names an actor in porcupine's pages.
func who(r Record) string { return fmt.Sprintf("worker %d.%d, actor %d", r.Worker, r.Life, r.Actor) }

// lastOf are the writes to a register, each with its answer.
func lastOf(records []Record, register string) map[int64]Record {
	writes := make(map[int64]Record)
	for _, r := range records {
		if r.Op == Wrote && r.Object == register {
			writes[r.Value] = r
		}
	}
	return writes
}

func inOrder(history []porcupine.Operation) []porcupine.Operation {
	slices.SortStableFunc(history, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return history
}

func permitHistory(list []*tenure) []porcupine.Operation {
	var history []porcupine.Operation
	for i, t := range list {
		call, back := t.ends()
		history = append(history,
			porcupine.Operation{
				ClientId: row(t.Record, 0), Call: int64(t.From), Return: int64(t.To),
				Input: histories.PermitInput{Kind: histories.Take, Bundle: i, Count: t.weight, Client: t.Worker, Who: who(t.Record)},
			},
			porcupine.Operation{
				ClientId: row(t.Record, 1), Call: call, Return: back, Input: histories.PermitInput{Kind: histories.Return, Bundle: i},
			})
	}
	return inOrder(history)
}

// countHistory begins with the creation of the node by whoever adds first. An Add of unknown outcome stays open.
func countHistory(list []Record) []porcupine.Operation {
	history := []porcupine.Operation{{ClientId: -1, Input: histories.CountInput{Kind: histories.Appear}, Return: never}}
	for _, r := range list {
		op := porcupine.Operation{ClientId: row(r, 0), Input: histories.CountInput{Kind: histories.Add, Value: 1}, Call: int64(r.From)}
		switch r.Result {
		case Applied:
			op.Output, op.Return = histories.CountOutput{Value: r.Value}, int64(r.To)
		case Unknown:
			op.Return = never
		default:
			continue
		}
		history = append(history, op)
	}
	return inOrder(history)
}
