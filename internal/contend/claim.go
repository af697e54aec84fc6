package contend

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/internal/telemetry"
)

// What a claim's context ends with, besides the causes of package framework.
var (
	// ErrReleased says that the holder has released the claim itself.
	ErrReleased = errors.New("released")
	// ErrNotHeld says that a guarded transaction was refused because the claim no longer stands. Nothing was applied.
	ErrNotHeld = errors.New("the claim is no longer held")
)

// Claim is what a place becomes when it has nobody to wait for.
type Claim struct {
	place  *Place
	policy framework.Policy
	ctx    context.Context
	cancel context.CancelCauseFunc

	guards   *guards       // these are guarded by its mutex
	due      time.Time     // when it is to be guarded
	over     chan struct{} // closed when the guard has ended; nil before there is one
	finished bool          // it needs none

	revocable revocable

	listed *framework.Tracked // nil if the recipe that holds it says so itself
	forget func() bool        // has ended not called any more

	releasing atomic.Bool
	released  chan struct{} // closed when err is set
	err       error         // what Release returned
}

// claim binds a place whose turn it is to its session.
func (p *Place) claim(parent context.Context, policy framework.Policy) (*Claim, error) {
	if err := seqnode.CheckToken(p.node.Stat.Czxid); err != nil {
		return nil, err
	}
	c := &Claim{place: p, policy: policy, released: make(chan struct{})}
	c.ctx, c.cancel = p.session.ClaimContext(telemetry.Outside(context.WithoutCancel(parent)), policy)
	if c.ctx.Err() != nil { // suspended or lost since the list was read
		c.cancel(nil)
		return nil, context.Cause(c.ctx)
	}
	c.list()
	c.forget = context.AfterFunc(c.ctx, c.ended)
	guardsOf(p.session).expect(c)
	if p.watch != nil {
		go c.endWith(p.watch)
	}
	return c, nil
}

// endWith ends the claim when a watch of its node, which was set before the claim began, says that the node was deleted.
func (c *Claim) endWith(w *framework.Watch) {
	defer w.Stop()
	select {
	case ev := <-w.C:
		if ev.Type == framework.EventDeleted {
			c.cancel(deletedAt(c.Path()))
		}
	case <-c.ctx.Done():
	}
}

// guard ends the claim when any of its nodes is deleted by anybody else.
func (c *Claim) guard() {
	defer close(c.over)
	c.place.line.yield(c.place, false)
	var twins sync.WaitGroup
	for _, twin := range c.place.twins {
		twins.Go(func() { c.watch(twin.Path) })
	}
	c.watch(c.place.node.Path)
	twins.Wait()
}

// ended is called when the context ends before its release.
func (c *Claim) ended() {
	c.reportEnd()
	c.cancel(nil) // unbinds it from the session
}

// watch returns when the claim is over, which it is when the node is gone.
func (c *Claim) watch(path string) {
	for c.ctx.Err() == nil {
		node, w, err := c.place.session.WatchData(c.ctx, path)
		switch {
		case errors.Is(err, framework.ErrNoNode):
			c.cancel(deletedAt(path))
			return
		case err != nil: // if the context has ended it knows why itself, and this comes too late
			c.cancel(err)
			return
		}
		if string(node.Data) == revocation {
			c.revocable.revoke()
		}
		select {
		case <-w.C: // read again, it is seen whether the node is still there
		case <-c.ctx.Done():
			w.Stop()
		}
	}
}

// Context ends when the claim does; its cause says why.
func (c *Claim) Context() context.Context { return c.ctx }

// Token grows from holder to holder. It follows from the czxid of the claim's node.
func (c *Claim) Token() int64 { return seqnode.Token(c.place.node.Stat.Czxid, 0) }

// Path is the claim's node, the first one if there are several.
func (c *Claim) Path() string { return c.place.node.Path }

// Session is the session that the claim hangs on.
func (c *Claim) Session() *framework.Session { return c.place.session }

// Check makes a multi fail unless the claim's node stands, the first one if there are several. Its name is used once only, so
// no version is needed. One of a claim that is over always fails.
func (c *Claim) Check() framework.Op { return c.Checks()[0] }

// Checks make a multi fail unless all of the claim's nodes stand. Those of a claim that is over always fail.
func (c *Claim) Checks() []framework.Op {
	checks := c.checks()
	if c.standing() != nil {
		for i, check := range checks {
			checks[i] = never(check.Path())
		}
	}
	return checks
}

func (c *Claim) checks() []framework.Op {
	var checks []framework.Op
	for _, path := range c.place.paths() {
		checks = append(checks, framework.CheckOp(path, framework.AnyVersion))
	}
	return checks
}

// never is a check that fails: an ephemeral node has no children.
func never(path string) framework.Op {
	return framework.CheckOp(framework.Join(path, "over"), framework.AnyVersion)
}

// standing returns why the claim may not be relied on, or nil.
func (c *Claim) standing() error { return context.Cause(c.ctx) }

// Multi applies operations if, and only if, the claim still stands. A claim that is over is refused without asking.
func (c *Claim) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return guarded(ctx, []*Claim{c}, operations, opts)
}

// Revoked ends when somebody asks for the claim to be released, which it is not by that. It is noticed once the claim has
// been held for a moment.
func (c *Claim) Revoked() context.Context { return c.revocable.context(c.ctx) }

// Release ends the claim and removes its node. It returns nil if the claim stood until the servers had applied that.
// framework.ErrReleasing says that the claim has ended as it should and that its node is still being removed in the background,
// because ctx has ended, of which the error has the cause, or because the servers refuse it. Every other error says that the
// claim had ended before, or that nobody can tell, and why. Further calls wait for the first one and return the same.
func (c *Claim) Release(ctx context.Context) error {
	if c.releasing.CompareAndSwap(false, true) {
		c.err = c.release(ctx)
		close(c.released)
	}
	return Outcome(ctx, c.released, &c.err)
}

// Outcome waits for a release that is under way and returns its error, to be read once released is closed.
// framework.ErrReleasing says that ctx has ended first.
func Outcome(ctx context.Context, released <-chan struct{}, err *error) error {
	select {
	case <-released: // also if ctx has ended
		return *err
	default:
	}
	select {
	case <-released:
		return *err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", framework.ErrReleasing, framework.ContextError(ctx))
	}
}

// finish ends the claim for whoever holds it. Its node is to be dealt with by the caller.
func (c *Claim) finish() {
	c.end()
	c.place.line.yield(c.place, false)
}

// end is finish for a claim that may still have an heir.
func (c *Claim) end() {
	c.forget()
	c.cancel(ErrReleased)
	c.guards.dismiss(c)
	c.unlist()
}

func (c *Claim) release(ctx context.Context) error {
	c.end()
	err := c.place.bequeath(ctx)
	path := c.place.node.Path
	switch cause := context.Cause(c.ctx); {
	case !errors.Is(cause, ErrReleased):
		return fmt.Errorf("%s had ended before its release: %w", path, cause)
	case err == nil:
		c.place.queue.Trail.released(c.place)
		return nil
	case errors.Is(err, framework.ErrNoNode): // before the claim was watched, or before the watch told of it
		return fmt.Errorf("%s had ended before its release: %w", path, ErrDeleted)
	case errors.Is(err, framework.ErrSessionLost), errors.Is(err, framework.ErrClosed):
		return fmt.Errorf("%s may have ended before its release, which was not answered: %w", path, err)
	case errors.Is(err, framework.ErrNoAuth):
		return fmt.Errorf("%w: the servers refuse to remove %s; the client retries while the session lives: %w", framework.ErrReleasing, path, err)
	}
	return fmt.Errorf("%w: the removal of %s continues in the background: %w", framework.ErrReleasing, path, err)
}
