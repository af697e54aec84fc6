//go:build linux

package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = Nanos(time.Millisecond)

// grant is a tenure as a worker notes it: the call, the first look, the latest look, the end of the work after that.
func grant(role string, worker int, token int64, call, first, last, work Nanos) []Record {
	r := Record{Role: role, Object: object(role, 0), Worker: worker, Life: 1, Token: token}
	begin, end := r, r
	begin.Op, begin.From, begin.To = Granted, call*ms, first*ms
	end.Op, end.From, end.To = Ended, last*ms, work*ms
	return []Record{begin, end}
}

func wrote(role string, worker int, token, value int64, from, to Nanos, version int32, result string) Record {
	r := Record{
		Op: Wrote, Role: role, Object: register(object(role, 0)), Worker: worker, Life: 1, Token: token, Value: value,
		From: from * ms, To: to * ms, Result: result,
	}
	if result == Applied {
		r.Version, r.Zxid = version, int64(version)+100
	}
	return r
}

func each(records []Record, change func(r *Record)) []Record {
	for i := range records {
		change(&records[i])
	}
	return records
}

func shared(r *Record)  { r.Shared = true }
func keeping(r *Record) { r.Holds = true }

func weighing(n int) func(*Record) { return func(r *Record) { r.Weight = n } }

// outcomeOf is a run in which the registers, counters and logs are what the records say.
func outcomeOf(records ...[]Record) *Outcome {
	o := &Outcome{
		Timeout: sessionTimeout, Margin: trustMargin, Workers: 2,
		Registers: make(map[string]Version), Counters: make(map[string]int64), Logged: make(map[string][]Set),
	}
	for _, list := range records {
		o.Records = append(o.Records, list...)
	}
	for _, r := range o.Records {
		switch {
		case r.Op == Wrote && r.Result == Applied:
			o.log(r, r.Version)
		case r.Op == Added && r.Result == Applied:
			o.Counters[r.Object] = max(o.Counters[r.Object], r.Value)
		}
	}
	return o
}

// log has the servers log a write, as one of that version.
func (o *Outcome) log(r Record, version int32) {
	s := Set{r.Object, string(number(r.Value)) + " " + string(number(r.Token)), version, int64(version) + 100}
	o.Logged[r.Object] = append(o.Logged[r.Object], s)
	if end := o.Registers[r.Object]; version > end.Version {
		o.Registers[r.Object] = Version{s.Version, s.Zxid, s.Data}
	}
}

func added(worker int, from, to Nanos, sum int64, result string) Record {
	return Record{Op: Added, Role: roleCounter, Object: object(roleCounter, 0), Worker: worker, From: from * ms, To: to * ms, Value: sum, Result: result}
}

func TestSoundRunHasNoViolation(t *testing.T) {
	o := outcomeOf(
		grant(roleMutex, 0, 10, 0, 10, 100, 105), grant(roleMutex, 1, 11, 5, 110, 200, 205),
		[]Record{
			wrote(roleMutex, 0, 10, 1, 20, 30, 1, Applied), wrote(roleMutex, 1, 11, 2, 120, 130, 2, Applied),
			wrote(roleMutex, 0, 10, 3, 120, 140, 0, Refused), wrote(roleMutex, 1, 11, 4, 150, 160, 0, Unknown),
		},
		each(grant(roleRW, 0, 10, 0, 10, 100, 105), shared), each(grant(roleRW, 1, 11, 0, 20, 100, 105), shared),
		each(grant(roleSemaphore, 0, 10, 0, 10, 100, 105), weighing(2)), each(grant(roleSemaphore, 1, 11, 0, 20, 100, 105), weighing(1)),
		[]Record{added(0, 0, 10, 1, Applied), added(1, 5, 15, 2, Applied), added(0, 20, 30, 0, Unknown)},
		[]Record{
			{Op: Attempted, Worker: 0, From: 0}, {Op: Attempted, Worker: 1, From: 5 * ms},
			{Op: Entered, Worker: 0, From: 0, To: 10 * ms}, {Op: Entered, Worker: 1, From: 5 * ms, To: 10 * ms},
			{Op: Left, Worker: 0, From: 0, To: 20 * ms},
			{Op: Closed, From: 10 * ms, To: 50 * ms}, {Op: Waited, From: 20 * ms, To: 60 * ms},
		},
	)
	o.log(wrote(roleMutex, 1, 11, 4, 0, 0, 0, Unknown), 3)
	v := Judge(o)
	assert.Empty(t, v.Violations)
	assert.Empty(t, v.Overlaps)
	assert.Equal(t, 1, v.Settled, "the logs say what became of a write whose writer does not know")
	assert.Equal(t, 1, v.Late)
	assert.Equal(t, 4, v.Histories)
	assert.Contains(t, Report(o, v), "| violations | 0 |")
}

func TestEveryOracleFindsWhatMustNotBe(t *testing.T) {
	first, second := grant(roleMutex, 0, 10, 0, 10, 100, 105), grant(roleMutex, 1, 11, 5, 110, 200, 205)
	tests := map[string]struct {
		o    *Outcome
		want string
	}{
		"two holders": {outcomeOf(first, grant(roleMutex, 1, 11, 5, 90, 200, 205)), "two hold"},
		"work goes on for less than the margin": {
			outcomeOf(grant(roleMutex, 0, 10, 0, 10, 100, 1000), second), "two hold"},
		"a writer beside a reader": {
			outcomeOf(each(grant(roleRW, 0, 10, 0, 10, 100, 105), shared), grant(roleRW, 1, 11, 0, 20, 100, 105)), "two hold"},
		"tokens that shrink": {outcomeOf(first, grant(roleMutex, 1, 9, 5, 110, 200, 205)), "tokens of"},
		"a permit too many": {
			outcomeOf(each(grant(roleSemaphore, 0, 10, 0, 10, 100, 105), weighing(2)), each(grant(roleSemaphore, 1, 11, 0, 20, 100, 105), weighing(2))),
			"4 permits"},
		"a version that was given twice": {
			outcomeOf(first, []Record{wrote(roleMutex, 0, 10, 1, 20, 30, 1, Applied), wrote(roleMutex, 0, 10, 2, 40, 50, 1, Applied)}), "was given to"},
		"a former holder's write": {
			outcomeOf(first, second, []Record{wrote(roleMutex, 1, 11, 1, 120, 130, 1, Applied), wrote(roleMutex, 0, 10, 2, 140, 150, 2, Applied)}),
			"a former holder has written"},
		"a write before its time": {
			outcomeOf(first, []Record{wrote(roleMutex, 0, 10, 1, 60, 70, 1, Applied), wrote(roleMutex, 0, 10, 2, 40, 50, 2, Applied)}),
			"before an earlier one was called for"},
		"a sum that was returned twice": {outcomeOf([]Record{added(0, 0, 10, 1, Applied), added(1, 5, 15, 1, Applied)}), "returned twice"},
		"a sum before its time":         {outcomeOf([]Record{added(0, 0, 10, 2, Applied), added(1, 20, 30, 1, Applied)}), "before the call that led to"},
		"a member that has not come": {
			outcomeOf([]Record{{Op: Attempted, Worker: 0}, {Op: Entered, Worker: 0, To: 10 * ms}}), "never called Enter"},
		"a member that has left": {
			outcomeOf([]Record{
				{Op: Attempted, Worker: 1}, {Op: Left, Worker: 1, To: 5 * ms}, {Op: Attempted, Worker: 0, From: 7 * ms}, {Op: Entered, Worker: 0, To: 10 * ms},
			}), "has left at"},
		"a gate that was closed": {
			outcomeOf([]Record{{Op: Closed, From: 10 * ms, To: 50 * ms}, {Op: Waited, From: 20 * ms, To: 30 * ms}}), "passed the gate"},
		"what a worker has seen itself": {outcomeOf([]Record{{Op: Violated, Result: "oh"}}), "oh"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Contains(t, strings.Join(Judge(test.o).Violations, "\n"), test.want) })
	}
}

func TestLostWriteIsFound(t *testing.T) {
	applied := wrote(roleMutex, 0, 10, 1, 20, 30, 1, Applied)
	unsent := wrote(roleMutex, 0, 10, 2, 40, 50, 0, Unsent)
	for name, test := range map[string]struct {
		change func(o *Outcome)
		want   string
	}{
		"the end is older": {func(o *Outcome) { o.Registers[applied.Object] = Version{} }, "lost"},
		"another write has the version": {
			func(o *Outcome) { o.Registers[applied.Object] = Version{Version: 1, Zxid: 200} }, "lost"},
		"no server has logged it":           {func(o *Outcome) { clear(o.Logged) }, "no server has logged version 1"},
		"one was applied that was not sent": {func(o *Outcome) { o.log(unsent, 2) }, `told is "unsent"`},
		"a version of which nobody knows":   {func(o *Outcome) { o.Registers[applied.Object] = Version{Version: 2} }, "only 0 of unknown outcome"},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcomeOf(grant(roleMutex, 0, 10, 0, 10, 100, 105), []Record{applied, unsent})
			require.Empty(t, Judge(o).Violations)
			test.change(o)
			assert.Contains(t, strings.Join(Judge(o).Violations, "\n"), test.want)
		})
	}
	o := outcomeOf([]Record{added(0, 0, 10, 1, Applied), added(0, 20, 30, 2, Applied)})
	o.Counters[object(roleCounter, 0)] = 1
	assert.Contains(t, strings.Join(Judge(o).Violations, "\n"), "the end is 1 after 2 acknowledged adds")
}

// An overlap that has a cause is counted under it. The same overlap without the cause is a violation.
func TestOverlapsByCause(t *testing.T) {
	late := grant(roleMutex, 0, 10, 0, 10, 100, 7000)
	next := grant(roleMutex, 1, 11, 5, 6000, 6100, 6105)
	stop := Fault{Kind: clientStopped, Worker: 0, From: 102 * ms, To: 6990 * ms}
	looking := grant(roleMutex, 0, 10, 0, 10, 6050, 6055)
	for cause, test := range map[string]struct {
		with, without *Outcome
		length        time.Duration
	}{
		causeStopped: {withFault(outcomeOf(late, next), stop), nil, time.Second},
		causeStarved: {outcomeOf(late, next), nil, time.Second},
		causeServer: {
			withFault(outcomeOf(each(looking, keeping), next), Fault{Kind: followerPartitioned, Worker: -1, From: 100 * ms, To: 5000 * ms}),
			outcomeOf(each(looking, keeping), next), 55 * time.Millisecond,
		},
		causeMachine: {
			outcomeOf(grant(roleMutex, 0, 10, 0, 10, 6050, 6055), next, []Record{{Op: Stalled, Worker: -1, From: 1000 * ms, To: 3000 * ms}}),
			withFault(outcomeOf(grant(roleMutex, 1, 10, 0, 10, 6050, 6055), next, []Record{{Op: Stalled, Worker: 0, From: 1000 * ms, To: 3000 * ms}}),
				Fault{Kind: clientStopped, Worker: 0, From: 1000 * ms, To: 3000 * ms}), 55 * time.Millisecond,
		},
	} {
		t.Run(cause, func(t *testing.T) {
			v := Judge(test.with)
			assert.Equal(t, []Overlap{{roleMutex, cause, test.length}}, v.Overlaps)
			assert.NotContains(t, strings.Join(v.Violations, "\n"), "two hold")
			if test.without != nil {
				assert.Contains(t, strings.Join(Judge(test.without).Violations, "\n"), "two hold")
			}
		})
	}
}

func withFault(o *Outcome, f Fault) *Outcome {
	o.Faults = append(o.Faults, f)
	return o
}

// A holder that was killed leaves no word of its end, and is believed to have held no longer than it has proved.
func TestHolderThatWasKilled(t *testing.T) {
	o := outcomeOf(grant(roleMutex, 0, 10, 0, 10, 0, 0)[:1], grant(roleMutex, 1, 11, 5, 110, 200, 205))
	assert.Empty(t, Judge(o).Violations)
	o = outcomeOf(grant(roleMutex, 0, 10, 0, 120, 0, 0)[:1], grant(roleMutex, 1, 11, 5, 110, 200, 205))
	assert.NotEmpty(t, Judge(o).Violations, "it has held later than somebody with a larger token")
}

func TestRecoveriesCountFromWhereOthersCanGoOn(t *testing.T) {
	o := outcomeOf([]Record{
		{Op: Done, Role: roleMutex, Worker: 0, To: 90 * ms}, {Op: Done, Role: roleMutex, Worker: 0, To: 150 * ms},
		{Op: Done, Role: roleMutex, Worker: 1, To: 400 * ms},
	})
	o.Faults = []Fault{
		{Kind: leaderKilled, Worker: -1, From: 100 * ms, To: 300 * ms, After: 100 * ms},
		{Kind: clientStopped, Worker: 1, From: 100 * ms, To: 300 * ms, After: 300 * ms},
	}
	assert.ElementsMatch(t, []recovery{
		{roleMutex, leaderKilled, 50 * time.Millisecond}, {roleMutex, leaderKilled, 300 * time.Millisecond},
		{roleMutex, clientStopped, 100 * time.Millisecond},
	}, recoveries(o))
}
