//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Verdict is what the judges say.
type Verdict struct {
	Violations []string
	Overlaps   []Overlap // that a cause explains
	Tenures    int
	Writes     map[string]int // guarded ones, by answer
	Late       int            // guarded writes of holders whose claim was over, which were refused
	Settled    int            // writes of unknown outcome that the logs show to be applied
	Histories  int            // that porcupine has found linearizable
	Undecided  int            // that it has not finished
	Operations int            // in all histories
}

func (v *Verdict) violate(format string, args ...any) {
	v.Violations = append(v.Violations, fmt.Sprintf(format, args...))
}

// Overlap is two holders at one time, or a permit too many.
type Overlap struct {
	Role   string
	Cause  string
	Length time.Duration
}

// Causes of overlaps. Each of them is an assumption of docs/guarantees.md that did not hold.
const (
	causeStopped = "process stopped between a look and the work"
	causeStarved = "process without a processor between a look and the work"
	causeMachine = "machine without a processor for longer than the margin"
	causeServer  = "Hold on a server without contact to its leader"
)

// Judge holds a run against all oracles.
func Judge(o *Outcome) *Verdict {
	v := &Verdict{Writes: make(map[string]int), Violations: slices.Clone(o.Complaints)}
	for _, r := range o.Records {
		if r.Op == Violated {
			v.violate("worker %d, %s: %s", r.Worker, r.Role, r.Result)
		}
	}
	e := newExcuses(o)
	for object, list := range tenures(o.Records) {
		v.Tenures += len(list)
		if list[0].weight > 0 {
			v.judgePermits(object, list, e)
			continue
		}
		v.judgeHolders(object, list, e)
		v.judgeTokens(object, list, e)
	}
	v.judgeRegisters(o)
	v.judgeCounters(o)
	v.judgeBarriers(o, e)
	v.judgeHistories(o)
	return v
}

// tenure is one claim's, from the first positive look at it.
type tenure struct {
	Record       // granted
	last   Nanos // before the latest positive look
	work   Nanos // end of the work after that
	weight int
	ended  bool
	gone   Nanos // Unlock has returned nil; 0 if it has not
}

type tenureKey struct {
	object              string
	worker, life, actor int
	token               int64
	weight              int
}

func keyOf(r Record) tenureKey {
	return tenureKey{r.Object, r.Worker, r.Life, r.Actor, r.Token, r.Weight}
}

// tenures collects them by object, in the order of their first looks. A holder that was killed is not believed to have looked again.
func tenures(records []Record) map[string][]*tenure {
	open := make(map[tenureKey]*tenure)
	all := make(map[string][]*tenure)
	for _, r := range records {
		t := open[keyOf(r)]
		switch {
		case r.Op == Granted:
			t = &tenure{Record: r, last: r.To, work: r.To, weight: r.Weight}
			open[keyOf(r)] = t
			all[r.Object] = append(all[r.Object], t)
		case t == nil:
		case r.Op == Ended:
			t.last, t.work, t.ended = r.From, r.To, true
		case r.Op == Released:
			t.gone = r.To
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b *tenure) int { return cmp.Compare(a.To, b.To) })
	}
	return all
}

func (t *tenure) String() string {
	return fmt.Sprintf("worker %d.%d, actor %d, token %#x, from %d to %d, work until %d", t.Worker, t.Life, t.Actor, t.Token, t.To, t.last, t.work)
}

// judgeHolders looks for two that exclude each other and hold at one time.
func (v *Verdict) judgeHolders(object string, list []*tenure, e *excuses) {
	for i, a := range list {
		for _, b := range list[i+1:] { // it was granted later
			if a.Shared && b.Shared || b.To > a.work {
				continue
			}
			if cause := e.overlap(a, b.To); cause != "" {
				v.Overlaps = append(v.Overlaps, Overlap{a.Role, cause, a.work.Sub(b.To)})
				continue
			}
			v.violate("two hold %s:\n  %v\n  %v", object, a, b)
		}
	}
}

// judgeTokens holds tokens against the order of the grants. Readers among themselves have none.
func (v *Verdict) judgeTokens(object string, list []*tenure, e *excuses) {
	var writer, any *tenure
	for _, t := range list {
		before := any
		if t.Shared {
			before = writer
		}
		if before != nil && before.Token >= t.Token && before.last < t.To && e.machine(before, t.To) == "" {
			v.violate("tokens of %s do not grow:\n  %v\n  %v", object, before, t)
		}
		if any == nil || t.Token > any.Token {
			any = t
		}
		if !t.Shared && (writer == nil || t.Token > writer.Token) {
			writer = t
		}
	}
}

// judgePermits looks for more permits than there are. Every excess begins with a grant.
func (v *Verdict) judgePermits(object string, list []*tenure, e *excuses) {
	for i, t := range list {
		sum, proven := t.weight, t.weight
		var latest *tenure // of the others, the one that should have stopped
		for _, other := range list[:i] {
			if other.work < t.To {
				continue
			}
			sum += other.weight
			if other.last >= t.To {
				proven += other.weight
			} else if latest == nil || other.work > latest.work {
				latest = other
			}
		}
		if sum <= permits {
			continue
		}
		cause := ""
		switch {
		case proven > permits:
			cause = e.machine(t, t.To)
		case latest != nil:
			cause = e.overlap(latest, t.To)
		}
		if cause == "" {
			v.violate("%d permits of %s are held at %d:\n  %v", sum, object, t.To, t)
			continue
		}
		length := time.Duration(0)
		if latest != nil {
			length = latest.work.Sub(t.To)
		}
		v.Overlaps = append(v.Overlaps, Overlap{t.Role, cause, length})
	}
}

// excuses are the causes that can explain an overlap.
type excuses struct {
	*Outcome
	stops   map[int][]Fault // of the processes, by worker
	servers []Fault         // after which a server may have no contact to its leader
	stalls  []Record        // of processes that nobody has stopped
}

func newExcuses(o *Outcome) *excuses {
	e := &excuses{Outcome: o, stops: make(map[int][]Fault)}
	for _, f := range o.Faults {
		switch {
		case f.Kind == clientStopped:
			e.stops[f.Worker] = append(e.stops[f.Worker], f)
		case f.Worker < 0:
			e.servers = append(e.servers, f)
		}
	}
	for _, r := range o.Records {
		if r.Op == Stalled && !e.stopped(r.Worker, r.From, r.To) {
			e.stalls = append(e.stalls, r)
		}
	}
	return e
}

// stopped reports whether the worker's process was stopped between the two.
func (e *excuses) stopped(worker int, from, to Nanos) bool {
	return slices.ContainsFunc(e.stops[worker], func(f Fault) bool { return f.From <= to && f.To >= from })
}

// overlap says why a still worked when somebody else was granted what it had; nothing if that must not be.
func (e *excuses) overlap(a *tenure, granted Nanos) string {
	gap := a.work.Sub(a.last)
	switch {
	case granted > a.last && gap > e.Margin && e.stopped(a.Worker, a.last, a.work):
		return causeStopped
	case granted > a.last && gap > e.Margin:
		return causeStarved
	}
	return e.machine(a, granted)
}

// machine says what explains two that both look at their contexts.
func (e *excuses) machine(a *tenure, granted Nanos) string {
	since := granted.Add(-2 * e.Timeout)
	if a.Holds && slices.ContainsFunc(e.servers, func(f Fault) bool { return f.From <= granted && f.To >= since }) {
		return causeServer
	}
	if slices.ContainsFunc(e.stalls, func(r Record) bool { return r.To.Sub(r.From) > e.Margin && r.From <= granted && r.To >= since }) {
		return causeMachine
	}
	return ""
}
