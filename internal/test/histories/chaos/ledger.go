//go:build linux

package chaos

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// entry is one version of a register.
type entry struct {
	version int32
	zxid    int64
	token   int64
	value   int64
	from    Nanos // of the call; 0 if the version is known from a log only
	to      Nanos // when it was acknowledged; 0 if it never was
}

// judgeRegisters holds every guarded write against the register's versions and against the servers' logs.
func (v *Verdict) judgeRegisters(o *Outcome) {
	byObject := make(map[string]map[int64]Record)
	for _, r := range o.Records {
		if r.Op != Wrote {
			continue
		}
		if byObject[r.Object] == nil {
			byObject[r.Object] = make(map[int64]Record)
		}
		byObject[r.Object][r.Value] = r // the later record has the answer
	}
	for object, writes := range byObject {
		for _, r := range writes {
			v.Writes[r.Result]++
			if r.Result == Refused {
				v.Late++
			}
		}
		v.judgeRegister(o, object, writes)
	}
}

func (v *Verdict) judgeRegister(o *Outcome, object string, writes map[int64]Record) {
	end := o.Registers[object]
	acked := make(map[int32]entry)
	unknown := 0
	for value, r := range writes {
		switch r.Result {
		case Unknown:
			unknown++
		case Applied:
			if other, taken := acked[r.Version]; taken {
				v.violate("%s: version %d was given to %d and to %d", object, r.Version, other.value, value)
			}
			acked[r.Version] = entry{r.Version, r.Zxid, r.Token, value, r.From, r.To}
		}
	}
	for version, e := range acked {
		if version > end.Version || version == end.Version && e.zxid != end.Zxid {
			v.violate("%s: lost: %d was applied as version %d, zxid %#x, and the end is version %d, zxid %#x",
				object, e.value, version, e.zxid, end.Version, end.Zxid)
		}
	}
	if missing := int(end.Version) - len(acked); missing > unknown {
		v.violate("%s: %d versions, %d acknowledged writes, and only %d of unknown outcome", object, end.Version, len(acked), unknown)
	}
	list := v.withLogs(o, object, acked, writes)
	v.judgeOrder(object, list, writes)
}

// withLogs adds the versions without an acknowledgement, from the servers' logs, and compares the others.
func (v *Verdict) withLogs(o *Outcome, object string, acked map[int32]entry, writes map[int64]Record) []entry {
	logged := make(map[int32][]Set)
	for _, s := range o.Logged[object] {
		logged[s.Version] = append(logged[s.Version], s)
	}
	all := maps.Clone(acked)
	for version := int32(1); version <= o.Registers[object].Version; version++ {
		found := logged[version]
		if e, known := acked[version]; known {
			if !slices.ContainsFunc(found, func(s Set) bool { return s.Zxid == e.zxid && valueOf(s.Data) == e.value }) {
				v.violate("%s: no server has logged version %d, zxid %#x, value %d", object, version, e.zxid, e.value)
			}
			continue
		}
		if len(found) == 0 {
			v.violate("%s: no server has logged version %d", object, version)
		}
		if len(found) != 1 { // one was never committed, and the logs do not say which
			continue
		}
		value := valueOf(found[0].Data)
		r := writes[value]
		if r.Result != Unknown || r.Value != value {
			v.violate("%s: version %d is %d, which its writer was told is %q", object, version, value, r.Result)
			continue
		}
		v.Settled++
		all[version] = entry{version, found[0].Zxid, r.Token, value, r.From, 0}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b entry) int { return cmp.Compare(a.version, b.version) })
}

// valueOf reads what contests write: value and token.
func valueOf(data string) int64 {
	first, _, _ := strings.Cut(data, " ")
	n, _ := strconv.ParseInt(first, 10, 64)
	return n
}

// judgeOrder holds the order of the versions against tokens, zxids and real time.
func (v *Verdict) judgeOrder(object string, list []entry, writes map[int64]Record) {
	latest := Nanos(0) // call of an earlier version
	for i, e := range list {
		if e.to != 0 && latest > e.to {
			v.violate("%s: version %d was acknowledged before an earlier one was called for", object, e.version)
		}
		latest = max(latest, e.from)
		if i == 0 {
			continue
		}
		before := list[i-1]
		if e.zxid <= before.zxid {
			v.violate("%s: version %d has zxid %#x, and version %d has %#x", object, before.version, before.zxid, e.version, e.zxid)
		}
		if writes[e.value].Weight == 0 && e.token < before.token {
			v.violate("%s: a former holder has written: version %d is of token %#x, and version %d of %#x",
				object, before.version, before.token, e.version, e.token)
		}
	}
}

// addKey tells one Add from another.
type addKey struct {
	object              string
	worker, life, actor int
	from                Nanos
}

// adds are the calls of Add, by counter, each with its answer.
func adds(o *Outcome) map[string][]Record {
	calls := make(map[addKey]Record)
	for _, r := range o.Records {
		if r.Op == Added {
			calls[addKey{r.Object, r.Worker, r.Life, r.Actor, r.From}] = r
		}
	}
	all := make(map[string][]Record)
	for _, r := range calls {
		all[r.Object] = append(all[r.Object], r)
	}
	return all
}

// judgeCounters counts what was added.
func (v *Verdict) judgeCounters(o *Outcome) {
	for object, list := range adds(o) {
		slices.SortFunc(list, func(a, b Record) int { return cmp.Compare(a.Value, b.Value) })
		acked, unknown, latest := 0, 0, Record{}
		for _, r := range list {
			switch r.Result {
			case Unknown:
				unknown++
			case Applied:
				acked++
				if r.Value == latest.Value {
					v.violate("%s: the sum %d was returned twice", object, r.Value)
				}
				if latest.From > r.To {
					v.violate("%s: the sum %d was returned before the call that led to %d", object, r.Value, latest.Value)
				}
				if r.From > latest.From {
					latest.From = r.From
				}
				latest.Value = r.Value
			}
		}
		if end := int(o.Counters[object]); end < acked || end > acked+unknown || int64(end) < latest.Value {
			v.violate("%s: the end is %d after %d acknowledged adds and %d of unknown outcome; the largest sum is %d",
				object, end, acked, unknown, latest.Value)
		}
	}
}

// judgeBarriers judges the double barrier and the gate.
func (v *Verdict) judgeBarriers(o *Outcome, e *excuses) {
	attempts := make(map[int][]*attempt) // by worker, in the order of their calls
	var shut, passed []Record
	for _, r := range o.Records {
		switch r.Op {
		case Attempted:
			attempts[r.Worker] = append(attempts[r.Worker], &attempt{from: r.From})
		case Entered, Left:
			a := attempts[r.Worker][len(attempts[r.Worker])-1]
			if r.Op == Entered {
				a.in = r.To
			} else {
				a.left = r.To
			}
		case Closed:
			shut = append(shut, r)
		case Waited:
			passed = append(passed, r)
		}
	}
	v.judgeDouble(o, attempts)
	for _, p := range passed {
		for _, s := range shut {
			if s.From < p.From && p.To < s.To && !e.deposed(p) {
				v.violate("worker %d passed the gate from %d to %d, and it was closed from %d to %d", p.Worker, p.From, p.To, s.From, s.To)
			}
		}
	}
}

// deposed reports whether a leader may have answered that was none any more, and that did not know.
func (e *excuses) deposed(r Record) bool {
	since := r.From.Add(-2 * e.Timeout)
	return slices.ContainsFunc(e.servers, func(f Fault) bool {
		return (f.Kind == leaderPartitioned || f.Kind == leaderStopped) && f.From <= r.To && f.To >= since
	})
}

// attempt is one call of Enter and what came of it; 0 for what did not come.
type attempt struct{ from, in, left Nanos }

// judgeDouble wants every member to have called Enter, and not to have left before the one that is let in has called. A member whose
// session was lost leaves a node behind, which counts until the servers end that session.
func (v *Verdict) judgeDouble(o *Outcome, attempts map[int][]*attempt) {
	for worker, list := range attempts {
		for _, a := range list {
			for other := range o.Workers {
				if a.in != 0 {
					v.judgeMember(worker, a, other, attempts[other])
				}
			}
		}
	}
}

func (v *Verdict) judgeMember(worker int, a *attempt, other int, list []*attempt) {
	i, _ := slices.BinarySearchFunc(list, a.in, func(b *attempt, t Nanos) int { return cmp.Compare(b.from, t) })
	if i == 0 {
		if worker != other {
			v.violate("worker %d is in the double barrier at %d, and worker %d has never called Enter", worker, a.in, other)
		}
		return
	}
	leftBehind := slices.ContainsFunc(list[:i], func(b *attempt) bool { return b.left == 0 && b.from.Add(time.Minute) > a.from })
	if b := list[i-1]; b != a && b.left != 0 && b.left < a.from && !leftBehind {
		v.violate("worker %d is in the double barrier at %d, and worker %d has left at %d", worker, a.in, other, b.left)
	}
}
