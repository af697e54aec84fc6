package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// ErrTokenRange is returned by Lock when the ensemble's transaction ids have reached 2^55, the limit of tokens. That is
// after 8 million changes of the ensemble's leader.
var ErrTokenRange = contend.ErrTokenRange

// LocalHandover lets the goroutines that lock one [Mutex] value share a place in the queue. Unlock hands the lock to
// the next of them, in the order of their calls and without a request. After n hand-overs (0 to 255) the node is
// removed, and the goroutines that still wait queue again behind all other contenders. So n bounds how long others can
// be kept waiting.
//
// Tokens grow from hand-over to hand-over, and between processes with and without the option. So the option can be
// switched on and off, process by process. LocalHandover(0) never hands over.
//
// The package documentation says what a hand-over means for guarded writes. LocalHandover applies to [Mutex] only.
func LocalHandover(n int) Option {
	return func(s *settings) { s.handover = &n }
}

// localQueue is the goroutines that wait for one Mutex value with LocalHandover, and the claim that they share.
//
//	         first waiter                       granted, no waiter: released
//	idle ----------------------> searching ----------------------------+
//	 ^                             |        ^                          |
//	 |         no waiter           |        | waiters left             | to the first waiter
//	 +-----------------------------+        |                          v
//	 |                                      +---- released, ended -- handed on <-+
//	 +------------------------------------------- no waiter           |        | Unlock, at most n times
//	                                                                    +--------+
//
// A search runs in its own goroutine, so that the ctx of one waiter does not end it for the others. It runs as a recipe
// of the client, so the client's Close waits for it. The last waiter that gives up cancels the search and waits for its
// end.
type localQueue struct {
	recipe recipe
	queue  contend.Queue
	most   int // hand-overs of one claim

	mu      sync.Mutex
	waiting []*waiter
	search  *search        // the running search; nil if there is none
	claim   *contend.Claim // the claim that is handed on or being released; nil if there is none
	unwatch func() bool    // stops waiting for the end of claim
}

// waiter is one call of Lock that waits.
type waiter struct {
	ctx     context.Context
	granted chan grant // receives one grant
}

// grant is the result for a waiter.
type grant struct {
	held *Held
	err  error
}

// search acquires a claim for the queue.
type search struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	own    bool          // run by tryLock, not for the waiters
	done   chan struct{} // closed when err is set
	err    error
}

// lock waits until the lock is handed to it.
func (l *localQueue) lock(ctx context.Context) (*Held, error) {
	ctx, cancel := l.recipe.limited(ctx)
	defer cancel()
	a := &waiter{ctx: ctx, granted: make(chan grant, 1)}
	l.join(a)
	select {
	case g := <-a.granted:
		return g.held, g.err
	case <-ctx.Done():
		return l.leave(a)
	}
}

func (l *localQueue) join(a *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, a)
	l.startSearch()
}

// startSearch starts a search if there are waiters and there is no claim to hand on. Guarded by mu.
func (l *localQueue) startSearch() {
	if l.search != nil || l.claim != nil || len(l.waiting) == 0 {
		return
	}
	q := &search{done: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancelCause(context.Background())
	l.search = q
	go func() {
		claim, err := l.acquire(q.ctx, l.queue.Acquire)
		l.finishSearch(q, claim, err)
	}()
}

// acquire acquires a claim.
func (l *localQueue) acquire(ctx context.Context, get acquireFunc) (*contend.Claim, error) {
	return seek(ctx, l.recipe, func(ctx context.Context, s *framework.Session) (*contend.Claim, error) {
		return get(ctx, s, l.recipe.holding)
	})
}

// acquireFunc acquires a place in a queue.
type acquireFunc func(context.Context, *framework.Session, framework.Policy) (*contend.Claim, error)

// finishSearch passes a search's claim to the first waiter, or its error to all waiters. Waiters that joined after the
// search was cancelled do not get its error; it starts another search for them.
func (l *localQueue) finishSearch(q *search, claim *contend.Claim, err error) {
	defer close(q.done)
	defer q.cancel(nil)
	q.err = err
	if err == nil {
		l.handFirst(claim)
		return
	}
	var all []*waiter
	l.mu.Lock()
	l.search = nil
	if q.ctx.Err() == nil {
		all, l.waiting = l.waiting, nil
	}
	l.startSearch()
	l.mu.Unlock()
	failAll(all, err)
}

// failAll ends all waits with an error.
func failAll(all []*waiter, err error) {
	for _, a := range all {
		a.granted <- grant{err: err}
	}
}

// handFirst stores a new claim and hands it to the first waiter.
func (l *localQueue) handFirst(claim *contend.Claim) {
	l.mu.Lock()
	l.adopt(claim)
	l.mu.Unlock()
	if !l.handOn(claim, 0) {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = l.release(now, claim) // in the background: all waiters have given up
	}
}

// adopt stores the claim as the one that is handed on. Guarded by mu.
func (l *localQueue) adopt(claim *contend.Claim) {
	l.search, l.claim = nil, claim
	l.unwatch = context.AfterFunc(claim.Context(), func() { l.ended(claim) })
}

// handOn hands the n-th turn of a claim to the first waiter. It reports whether there was one.
func (l *localQueue) handOn(claim *contend.Claim, n int) bool {
	a := l.popFirst(claim)
	if a == nil {
		return false
	}
	a.granted <- grant{held: l.held(a.ctx, claim, n)}
	return true
}

// popFirst removes and returns the first waiter whose ctx has not ended, if the claim is still the current one.
func (l *localQueue) popFirst(claim *contend.Claim) *waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.waiting, func(a *waiter) bool { return a.ctx.Err() == nil })
	if i < 0 || l.claim != claim {
		return nil
	}
	a := l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return a
}

func (l *localQueue) held(ctx context.Context, claim *contend.Claim, n int) *Held {
	return l.recipe.held(&share{Turn: claim.Turn(telemetry.Outside(ctx), n), queue: l, claim: claim, n: n, released: make(chan struct{})})
}

// ended drops a claim that ended while it was held, without waiting for its Unlock, and starts a search for the
// waiters.
func (l *localQueue) ended(claim *contend.Claim) {
	var all []*waiter
	cause := context.Cause(claim.Context())
	l.mu.Lock()
	if l.claim == claim {
		l.claim = nil
		if l.recipe.waiting.OnLost == framework.Stop && errors.Is(cause, framework.ErrSessionLost) {
			all, l.waiting = l.waiting, nil
		}
		l.startSearch()
	}
	l.mu.Unlock()
	failAll(all, l.recipe.wrap(cause))
}

// release releases a claim. The waiters then queue again behind all other contenders.
func (l *localQueue) release(ctx context.Context, claim *contend.Claim) error {
	l.mu.Lock()
	if l.claim == claim {
		l.unwatch() // the claim is kept until it is released, so that no search starts beside it
	}
	l.mu.Unlock()
	err := claim.Release(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.claim == claim {
		l.claim = nil
	}
	l.startSearch()
	return err
}

// leave removes a waiter whose ctx has ended. The last waiter cancels the search and returns its error.
func (l *localQueue) leave(a *waiter) (*Held, error) {
	l.mu.Lock()
	i := slices.Index(l.waiting, a)
	if i < 0 { // it is being granted
		l.mu.Unlock()
		g := <-a.granted
		return g.held, g.err
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	q, last := l.search, len(l.waiting) == 0
	behind := l.ahead(i)
	l.mu.Unlock()
	cause := framework.ContextError(a.ctx)
	if last && q != nil && !q.own {
		q.cancel(cause)
		if <-q.done; q.err != nil {
			return nil, q.err
		}
	}
	return nil, l.recipe.wrap(fmt.Errorf("waited %s: %w", behind, cause))
}

// ahead describes what the i-th waiter waits for. Guarded by mu.
func (l *localQueue) ahead(i int) string {
	if l.claim != nil {
		return fmt.Sprintf("behind the holder of %s and %d others of this process", l.claim.Path(), i)
	}
	return fmt.Sprintf("behind %d others of this process for its turn in the queue", i)
}

// tryLock returns ErrLocked unless neither this process nor the queue on the servers has another contender.
func (l *localQueue) tryLock(ctx context.Context) (*Held, error) {
	q := &search{own: true, done: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancelCause(ctx)
	if err := l.begin(q); err != nil {
		return nil, l.recipe.wrap(err)
	}
	defer close(q.done)
	defer q.cancel(nil)
	claim, err := l.acquire(q.ctx, l.queue.TryAcquire)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.search = nil
		l.startSearch()
		return nil, err
	}
	l.adopt(claim)
	return l.held(ctx, claim, 0), nil
}

// begin makes q the running search if there are no waiters.
func (l *localQueue) begin(q *search) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.search != nil || l.claim != nil || len(l.waiting) > 0 {
		return ErrLocked
	}
	l.search = q
	return nil
}

// share is one turn of a claim as a Held uses it.
type share struct {
	*contend.Turn
	queue *localQueue
	claim *contend.Claim
	n     int

	once     sync.Once
	released chan struct{} // closed when err is set
	err      error
}

// Release ends the turn and hands the claim on or releases it. Further calls wait for the first one and return the same
// error.
func (s *share) Release(ctx context.Context) error {
	first := false
	s.once.Do(func() { first = true })
	if first {
		s.err = s.release(ctx)
		close(s.released)
	}
	return contend.Outcome(ctx, s.released, &s.err)
}

func (s *share) release(ctx context.Context) error {
	if s.End() && s.n < s.queue.most && s.queue.handOn(s.claim, s.n+1) {
		return nil
	}
	return s.queue.release(ctx, s.claim)
}
