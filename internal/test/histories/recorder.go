package histories

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Recorder collects the operations of one history. It may be used by many goroutines.
type Recorder struct {
	start time.Time

	mu    sync.Mutex
	calls []*Call
}

// Call is one operation.
type Call struct {
	recorder *Recorder
	actor    int
	input    any
	output   any
	from, to time.Duration // since the recorder's start
	state    callState
}

type callState int

const (
	open callState = iota
	returned
	dropped
)

// NewRecorder returns an empty history that begins now.
func NewRecorder() *Recorder { return &Recorder{start: time.Now()} }

// Begin notes that an actor calls an operation. It stays open until End or Drop.
func (r *Recorder) Begin(actor int, input any) *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Call{recorder: r, actor: actor, input: input, from: time.Since(r.start)}
	r.calls = append(r.calls, c)
	return c
}

// Moment notes an operation that takes no time.
func (r *Recorder) Moment(actor int, input any) { r.Begin(actor, input).End(nil) }

// End notes that the operation returned, with this result.
func (c *Call) End(output any) {
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	c.state, c.output, c.to = returned, output, time.Since(c.recorder.start)
}

// Drop takes the operation out of the history: it certainly had no effect.
func (c *Call) Drop() {
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	c.state = dropped
}

// Tally is how many operations a history has.
type Tally struct {
	Operations int // without those that were dropped
	Open       int // of them
	Dropped    int
}

// Add adds another history's tally.
func (t *Tally) Add(other Tally) {
	t.Operations, t.Open, t.Dropped = t.Operations+other.Operations, t.Open+other.Open, t.Dropped+other.Dropped
}

// Tally counts the operations so far.
func (r *Recorder) Tally() (t Tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		switch c.state {
		case dropped:
			t.Dropped++
			continue
		case open:
			t.Open++
		}
		t.Operations++
	}
	return t
}

// History is the operations so far as porcupine takes them. Those that are open return behind everything, and their
// actors go on under other numbers.
func (r *Recorder) History() []porcupine.Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := slices.DeleteFunc(slices.Clone(r.calls), func(c *Call) bool { return c.state == dropped })
	slices.SortStableFunc(calls, func(a, b *Call) int { return cmp.Compare(a.from, b.from) })
	infinity := time.Duration(0)
	for _, c := range calls {
		infinity = max(infinity, c.from+1, c.to+1)
	}
	rows := make(rows)
	list := make([]porcupine.Operation, 0, len(calls))
	for _, c := range calls {
		to := c.to
		if c.state == open {
			to = infinity
		}
		list = append(list, porcupine.Operation{
			ClientId: rows.place(c.actor, c.from, to), Input: c.input, Call: int64(c.from), Output: c.output, Return: int64(to),
		})
	}
	return list
}

// rows gives each actor as many numbers as it has operations at once.
type rows map[rowKey]time.Duration // when the row is free

type rowKey struct{ actor, nth int }

// maxRows bounds the rows of one actor.
const maxRows = 1000

func (r rows) place(actor int, from, to time.Duration) int {
	for nth := range maxRows {
		key := rowKey{actor, nth}
		if free, used := r[key]; !used || free < from {
			r[key] = to
			return actor*maxRows + nth
		}
	}
	return actor * maxRows // the page shows them one upon the other
}
