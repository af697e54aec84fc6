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

// Causes of the end of a claim's context, besides those of package framework.
var (
	// ErrReleased means that the holder has released the claim.
	ErrReleased = errors.New("released")
	// ErrNotHeld means that a guarded transaction was refused because the claim is no longer held. Nothing was applied.
	ErrNotHeld = errors.New("the claim is no longer held")
)

// Claim is a place that has nothing left to wait for.
type Claim struct {
	place  *Place
	policy framework.Policy
	ctx    context.Context
	cancel context.CancelCauseFunc

	guards   *guards       // its mutex guards the fields below
	due      time.Time     // when its guard is due
	over     chan struct{} // closed when the guard has ended; nil without one
	finished bool          // it needs no guard

	revocable revocable

	listed *framework.Tracked // nil if the recipe that holds it reports it
	forget func() bool        // prevents a later call of ended

	releasing atomic.Bool
	released  chan struct{} // closed when err is set
	err       error         // the result of Release
}

// claim binds a place whose turn has come to its session.
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

// endWith ends the claim when a watch of its node, which was set before the claim began, reports the node's deletion.
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

// guard ends the claim when another client deletes one of its nodes.
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

// ended is called when the context ends before the release.
func (c *Claim) ended() {
	c.reportEnd()
	c.cancel(nil) // unbinds it from the session
}

// watch returns when the claim has ended, which it does when the node is gone.
func (c *Claim) watch(path string) {
	for c.ctx.Err() == nil {
		node, w, err := c.place.session.WatchData(c.ctx, path)
		switch {
		case errors.Is(err, framework.ErrNoNode):
			c.cancel(deletedAt(path))
			return
		case err != nil: // an ended context has its own cause
			c.cancel(err)
			return
		}
		if string(node.Data) == revocation {
			c.revocable.revoke()
		}
		select {
		case <-w.C: // read again to see whether the node still exists
		case <-c.ctx.Done():
			w.Stop()
		}
	}
}

// Context returns a context that ends with the claim. Its cause says why.
func (c *Claim) Context() context.Context { return c.ctx }

// Token returns a number that grows from holder to holder. It is derived from the czxid of the claim's node.
func (c *Claim) Token() int64 { return seqnode.Token(c.place.node.Stat.Czxid, 0) }

// Path returns the claim's node, the first one if there are several.
func (c *Claim) Path() string { return c.place.node.Path }

// Session returns the session of the claim.
func (c *Claim) Session() *framework.Session { return c.place.session }

// Check returns an operation that makes a multi fail unless the claim's node exists, the first one if there are
// several. It needs no version, because the node's name is never used again. After the end of the claim, it always
// fails.
func (c *Claim) Check() framework.Op { return c.Checks()[0] }

// Checks returns operations that make a multi fail unless all of the claim's nodes exist. After the end of the claim,
// they always fail.
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

// never returns a check that always fails: an ephemeral node has no children.
func never(path string) framework.Op {
	return framework.CheckOp(framework.Join(path, "over"), framework.AnyVersion)
}

// standing returns why the claim has ended, or nil.
func (c *Claim) standing() error { return context.Cause(c.ctx) }

// Multi applies operations only if the claim is still held. If it has ended, no request is sent.
func (c *Claim) Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error) {
	return guarded(ctx, []*Claim{c}, operations, opts)
}

// Revoked returns a context that ends when another client asks for the claim. This does not release it. Requests are
// noticed once the claim has been held for a moment.
func (c *Claim) Revoked() context.Context { return c.revocable.context(c.ctx) }

// Release ends the claim and removes its node. It returns nil if the claim was held until the servers had applied the
// release. framework.ErrReleasing means that the claim was held until the call, and that its node is still being
// removed in the background, because ctx has ended (the error has its cause), or because the servers refuse the
// removal. Any other error says why the claim had ended before, or may have. Further calls wait for the first one and
// return the same error.
func (c *Claim) Release(ctx context.Context) error {
	if c.releasing.CompareAndSwap(false, true) {
		c.err = c.release(ctx)
		close(c.released)
	}
	return Outcome(ctx, c.released, &c.err)
}

// Outcome waits for a running release and returns its error, which is read when released is closed.
// framework.ErrReleasing means that ctx has ended first.
func Outcome(ctx context.Context, released <-chan struct{}, err *error) error {
	select {
	case <-released: // even if ctx has ended
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

// finish ends the claim for its holder. The caller deals with the node.
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
	case errors.Is(err, framework.ErrNoNode): // deleted before the claim was watched, or before the event arrived
		return fmt.Errorf("%s had ended before its release: %w", path, ErrDeleted)
	case errors.Is(err, framework.ErrSessionLost), errors.Is(err, framework.ErrClosed):
		return fmt.Errorf("%s may have ended before its release, which was not answered: %w", path, err)
	case errors.Is(err, framework.ErrNoAuth):
		return fmt.Errorf("%w: the servers refuse to remove %s; the client retries while the session lives: %w", framework.ErrReleasing, path, err)
	}
	return fmt.Errorf("%w: the removal of %s continues in the background: %w", framework.ErrReleasing, path, err)
}
