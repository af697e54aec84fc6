package framework

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/retry"
)

// refusedPauses spaces the retries of a removal that the servers refuse.
var refusedPauses = retry.Exponential(100*time.Millisecond, 30*time.Second)

// removal is a task of the janitor, as seen by callers that find the node while it still exists.
type removal struct {
	in *epoch // the session whose end removes the node; nil if there is none

	mu      sync.Mutex
	refused error         // why the servers refuse it; nil if they do not
	changed chan struct{} // closed when the task has ended, and when refused changes
	over    bool

	pauses *retry.Attempts // between refused attempts; nil before the first
	listed *Tracked        // entry of Client.Recipes while it is refused
}

// state returns the refusal, or nil if the node's session has ended, and a channel that is closed when that changes.
// The channel is nil when the task has ended.
func (r *removal) state() (refused error, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return nil, nil
	case r.in != nil && r.in.ctx.Err() != nil:
		return nil, r.changed
	}
	return r.refused, r.changed
}

// become changes the state.
func (r *removal) become(refused error, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused, r.over = refused, over
	close(r.changed)
	r.changed = make(chan struct{})
}

// removals are the tasks of a janitor by the paths of their nodes.
type removals struct {
	n       atomic.Int32
	mu      sync.Mutex
	m       map[string]*removal
	refused int           // number of refused tasks
	next    chan struct{} // closed when another one is refused; nil if nobody waits for that
}

// refuse records that one more task is refused.
func (r *removals) refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused++
	if r.next != nil {
		close(r.next)
		r.next = nil
	}
}

// refusals returns the number of refused tasks, and a channel that is closed when another one is refused.
func (r *removals) refusals() (n int, next <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = make(chan struct{})
	}
	return r.refused, r.next
}

// removalKeys returns the keys under which a task is found.
func removalKeys(t task) []string {
	if t.guid == "" {
		return t.at
	}
	dir, _ := Split(t.at[0])
	return []string{Join(dir, seqnode.Protected(t.guid, ""))}
}

func (r *removals) enter(t task) *removal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = make(map[string]*removal)
	}
	entered := &removal{in: t.in, changed: make(chan struct{})}
	for _, key := range removalKeys(t) {
		r.m[key] = entered
	}
	r.n.Store(int32(len(r.m)))
	return entered
}

// leave removes a task that has ended. Another one with the same path may have been added since.
func (r *removals) leave(t task) {
	r.mu.Lock()
	for _, key := range removalKeys(t) {
		if r.m[key] == t.removal {
			delete(r.m, key)
		}
	}
	r.n.Store(int32(len(r.m)))
	if t.removal.listed != nil {
		r.refused--
	}
	r.mu.Unlock()
	if t.removal.listed != nil {
		t.removal.listed.End()
	}
	t.removal.become(nil, true)
}

// find returns the task that removes the node at a path; nil if there is none.
func (r *removals) find(at string) *removal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if found := r.m[at]; found != nil {
		return found
	}
	dir, name := Split(at)
	if guid, ok := seqnode.GUIDOf(name); ok {
		return r.m[Join(dir, seqnode.Protected(guid, ""))]
	}
	return nil
}

// refused records that the servers refuse a removal. It is retried while the node's session lives, whose end removes
// the node.
func (j *janitor) refused(t task, err error) {
	if t.removal == nil {
		t.removal = j.removals.enter(t)
	}
	if t.in.ctx.Err() != nil {
		j.removals.leave(t)
		return
	}
	r := t.removal
	first := r.pauses == nil
	if first {
		r.pauses = refusedPauses.WithRand(j.core.random.float64).Start()
		r.listed = &Tracked{j.core.live.track(LiveRecipe{
			Name: "clean-up", Path: t.at[0], Policy: Policy{OnSuspended: Hold, OnLost: Stop}, Epoch: t.in.n, Held: true,
		})}
		j.core.log.Warn("clean-up is refused; it is retried while the session lives", "task", t.name, "error", err)
	}
	r.listed.entry.report(0, "the servers refuse to remove the node", err, nil)
	r.become(err, false)
	if first {
		j.removals.refuse()
	}
	t.begun, t.after = nil, nil
	pause, _ := r.pauses.Next()
	j.later(t, pause)
}

// later retries a refused removal after a pause, unless the node's session ends before.
func (j *janitor) later(t task, pause time.Duration) {
	wait, cancel := context.WithTimeout(t.in.ctx, pause)
	context.AfterFunc(wait, func() {
		cancel()
		if t.in.ctx.Err() != nil {
			j.removals.leave(t)
			return
		}
		j.add(t)
	})
}

// delegate passes a removal that failed with err to the janitor. If it belongs to a session, was not sent yet and there
// is a connection, send sends it before delegate returns.
//
// A refused removal ends, except for nodes of the session: others wait for these, so it is retried.
func (o *ops) delegate(ctx context.Context, t task, send func(context.Context, *epoch) error, err error) {
	switch {
	case isRefusal(err) && t.in != nil && errors.Is(err, ErrNoAuth):
		o.core.janitor.refused(t, err)
		return
	case isRefusal(err):
		return
	case t.in != nil && ctx.Err() != nil && neverSent(err) && o.core.gate.Load().serves(t.in) && t.in.fit(t.size) == nil:
		err = send(ctx, t.in)
		if err == nil || errors.Is(err, ErrNoNode) && len(t.at) == 1 {
			return
		}
	}
	errors.As(err, &t.begun)
	o.core.janitor.add(t)
}

// Removal describes the removal of a node in the background.
type Removal struct {
	// Refused is the servers' refusal ([ErrNoAuth]). It is nil if they do not refuse the removal, and when the node's
	// session has ended. A refused removal is retried, with growing pauses, until it succeeds or the node's session has
	// ended.
	Refused error
	// Changed is closed when the removal has ended, and when Refused changes.
	Changed <-chan struct{}
}

// Removing reports whether this client is removing a node in the background, because a guaranteed delete was abandoned
// or refused, or a protected create was abandoned. Nothing depends on such a node any more. Removing sends no request.
func (s *Session) Removing(path string) (r Removal, removing bool) {
	if s.core.janitor.removals.n.Load() == 0 {
		return r, false
	}
	at, err := s.space.resolve(path)
	if err != nil {
		return r, false
	}
	found := s.core.janitor.removals.find(at)
	if found == nil {
		return r, false
	}
	r.Refused, r.Changed = found.state()
	return r, r.Changed != nil
}

// Refusals returns how many of this client's removals ([Session.Removing]) the servers refuse, and a channel that is
// closed when another one is refused.
func (s *Session) Refusals() (n int, next <-chan struct{}) { return s.core.janitor.removals.refusals() }
