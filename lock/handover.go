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

// ErrTokenRange is returned by Lock with [LocalHandover] when the ensemble's transaction ids have grown to 2^55, of which its
// tokens are made. The lock then works without the option only.
var ErrTokenRange = contend.ErrTokenRange

// LocalHandover lets the goroutines that lock one [Mutex] value share one place in the queue: the lock is handed from one to
// the next of them, in the order of their calls and without a request, at most n times (0 to 255). Then it goes back to the
// servers, and those who wait here queue again, behind whoever queues there: however many wait here, others get their turn.
//
// A token is then 256 times the czxid of the node plus the number of hand-overs until then. It grows as any other does; but it
// is far larger than one of a Mutex without the option, so all who fence the same resource use the option, or none of them
// does: LocalHandover(0) hands nothing over and has the same tokens. Mixed, the resource refuses those without.
//
// See the package documentation for what a hand-over means to guarded writes. It fits [Mutex] only.
func LocalHandover(n int) Option {
	return func(s *settings) { s.handover = &n }
}

// line is those who wait for one Mutex value with LocalHandover, and what they wait for.
//
//	         first one comes                    granted, and to nobody: released
//	idle ----------------------> quest under way ----------------------+
//	 ^                             |        ^                          |
//	 |           nobody waits      |        | somebody waits           | to the first one
//	 +-----------------------------+        |                          v
//	 |                                      +---- released, over -- handed on <-+
//	 +------------------------------------------- nobody waits        |        | Unlock, at most n times
//	                                                                    +--------+
//
// A quest is a goroutine, since nobody's own ctx may end it while others wait. It runs as a recipe of the client, whose Close
// waits for it, and the last one who stops waiting calls it off and waits for it as well.
type line struct {
	recipe recipe
	queue  contend.Queue
	most   int // hand-overs of one claim

	mu      sync.Mutex
	waiting []*applicant
	quest   *quest         // the one under way; nil if there is none
	claim   *contend.Claim // that is handed on, or being released; nil if there is none
	unwatch func() bool    // stops waiting for the end of claim
}

// applicant is one call of Lock that waits.
type applicant struct {
	ctx     context.Context
	granted chan grant // holds one
}

// grant is what an applicant gets.
type grant struct {
	held *Held
	err  error
}

// quest is the search for a claim.
type quest struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	own    bool          // of somebody who tries and does not wait in the line
	done   chan struct{} // closed when err is set
	err    error
}

// lock waits in the line until it holds.
func (l *line) lock(ctx context.Context) (*Held, error) {
	ctx, cancel := l.recipe.limited(ctx)
	defer cancel()
	a := &applicant{ctx: ctx, granted: make(chan grant, 1)}
	l.join(a)
	select {
	case g := <-a.granted:
		return g.held, g.err
	case <-ctx.Done():
		return l.leave(a)
	}
}

func (l *line) join(a *applicant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, a)
	l.seek()
}

// seek begins a quest if there is somebody to do it for and nothing to hand on. Guarded by mu.
func (l *line) seek() {
	if l.quest != nil || l.claim != nil || len(l.waiting) == 0 {
		return
	}
	q := &quest{done: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancelCause(context.Background())
	l.quest = q
	go func() {
		claim, err := l.acquire(q.ctx, l.queue.Acquire)
		l.settle(q, claim, err)
	}()
}

// acquire gets a claim that can be handed on.
func (l *line) acquire(ctx context.Context, get acquireFunc) (*contend.Claim, error) {
	return seek(ctx, l.recipe, func(ctx context.Context, s *framework.Session) (*contend.Claim, error) {
		claim, err := get(ctx, s, l.recipe.holding)
		if err != nil {
			return nil, err
		}
		if err := claim.Turns(); err != nil {
			_ = claim.Release(ctx) // what ctx leaves undone is done in the background
			return nil, err
		}
		return claim, nil
	})
}

// acquireFunc is a way to acquire a queue.
type acquireFunc func(context.Context, *framework.Session, framework.Policy) (*contend.Claim, error)

// settle gives out what a quest has brought: the claim to the first one, an error to all. Who has come since it was called off
// has nothing to do with that, and gets another quest.
func (l *line) settle(q *quest, claim *contend.Claim, err error) {
	defer close(q.done)
	defer q.cancel(nil)
	q.err = err
	if err == nil {
		l.found(claim)
		return
	}
	var all []*applicant
	l.mu.Lock()
	l.quest = nil
	if q.ctx.Err() == nil {
		all, l.waiting = l.waiting, nil
	}
	l.seek()
	l.mu.Unlock()
	tell(all, err)
}

// tell ends the waiting of all with an error.
func tell(all []*applicant, err error) {
	for _, a := range all {
		a.granted <- grant{err: err}
	}
}

// found takes a claim over and gives it to the first one.
func (l *line) found(claim *contend.Claim) {
	l.mu.Lock()
	l.adopt(claim)
	l.mu.Unlock()
	if !l.handOn(claim, 0) {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = l.giveBack(now, claim) // in the background: everybody has gone
	}
}

// adopt makes a claim the one that is handed on. Guarded by mu.
func (l *line) adopt(claim *contend.Claim) {
	l.quest, l.claim = nil, claim
	l.unwatch = context.AfterFunc(claim.Context(), func() { l.ended(claim) })
}

// handOn gives the n-th turn of a claim to the first one who still waits, and reports whether there is one.
func (l *line) handOn(claim *contend.Claim, n int) bool {
	a := l.first(claim)
	if a == nil {
		return false
	}
	a.granted <- grant{held: l.held(a.ctx, claim, n)}
	return true
}

// first takes the first one who still waits out of the line, if the claim is still the one that is handed on.
func (l *line) first(claim *contend.Claim) *applicant {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.waiting, func(a *applicant) bool { return a.ctx.Err() == nil })
	if i < 0 || l.claim != claim {
		return nil
	}
	a := l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return a
}

func (l *line) held(ctx context.Context, claim *contend.Claim, n int) *Held {
	return l.recipe.held(&share{Turn: claim.Turn(telemetry.Outside(ctx), n), line: l, claim: claim, n: n, released: make(chan struct{})})
}

// ended forgets a claim that has come to its end while somebody held it, and who unlocks it some time. Those who wait do not
// wait for that.
func (l *line) ended(claim *contend.Claim) {
	var all []*applicant
	cause := context.Cause(claim.Context())
	l.mu.Lock()
	if l.claim == claim {
		l.claim = nil
		if l.recipe.waiting.OnLost == framework.Stop && errors.Is(cause, framework.ErrSessionLost) {
			all, l.waiting = l.waiting, nil
		}
		l.seek()
	}
	l.mu.Unlock()
	tell(all, l.recipe.wrap(cause))
}

// giveBack releases a claim, and lets those who wait queue again behind it.
func (l *line) giveBack(ctx context.Context, claim *contend.Claim) error {
	l.mu.Lock()
	if l.claim == claim {
		l.unwatch() // the claim stays in place until it is released: nobody queues beside it
	}
	l.mu.Unlock()
	err := claim.Release(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.claim == claim {
		l.claim = nil
	}
	l.seek()
	return err
}

// leave takes one whose ctx has ended out of the line. The last one calls the quest off, and has its error.
func (l *line) leave(a *applicant) (*Held, error) {
	l.mu.Lock()
	i := slices.Index(l.waiting, a)
	if i < 0 { // granted at this moment
		l.mu.Unlock()
		g := <-a.granted
		return g.held, g.err
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	q, last := l.quest, len(l.waiting) == 0
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

// ahead says what the i-th in the line waits for. Guarded by mu.
func (l *line) ahead(i int) string {
	if l.claim != nil {
		return fmt.Sprintf("behind the holder of %s and %d others of this process", l.claim.Path(), i)
	}
	return fmt.Sprintf("behind %d others of this process for its turn in the queue", i)
}

// tryLock returns ErrLocked unless it finds nobody here and nobody there.
func (l *line) tryLock(ctx context.Context) (*Held, error) {
	q := &quest{own: true, done: make(chan struct{})}
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
		l.quest = nil
		l.seek()
		return nil, err
	}
	l.adopt(claim)
	return l.held(ctx, claim, 0), nil
}

// begin makes q the quest under way, if nobody is in the line.
func (l *line) begin(q *quest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.quest != nil || l.claim != nil || len(l.waiting) > 0 {
		return ErrLocked
	}
	l.quest = q
	return nil
}

// share is a turn that can be released.
type share struct {
	*contend.Turn
	line  *line
	claim *contend.Claim
	n     int

	once     sync.Once
	released chan struct{} // closed when err is set
	err      error
}

// Release ends the turn and hands the claim on, or releases it. Further calls wait for the first one and return the same.
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
	if s.End() && s.n < s.line.most && s.line.handOn(s.claim, s.n+1) {
		return nil
	}
	return s.line.giveBack(ctx, s.claim)
}
