package framework

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/docent-zk/docent/retry"
)

// Recipe is work that is done once in each session.
type Recipe struct {
	// Name is the kind of recipe, such as "lock" or "leader", for logs, errors and Client.Recipes.
	Name string
	// Path is the recipe's path, in the client's namespace.
	Path string
	// Policy is how it responds to SUSPENDED, LOST and READ-ONLY.
	Policy Policy
	// Attrs are further details for Client.Recipes, which resolves the values: see Status.Attrs. Do not change them
	// after the call.
	Attrs []slog.Attr
	// Run does the work in one session. It must return when ctx ends. Its result becomes that of Client.Run, unless the
	// policy has ended ctx. A panic propagates to the caller of Client.Run.
	Run func(ctx context.Context, s *Session) error
}

// Run runs a recipe. It waits for a session, calls r.Run, and calls it again
//
//   - on the next connection, if [Cancel] ended it on SUSPENDED,
//   - in the next session, if the session was lost and the policy is [Rebuild],
//   - after a pause, if it returned an error of its own after a call of [Session.RetryErrors].
//
// Otherwise Run returns the result of r.Run: nil, an error of its own, [ErrSessionLost] with [Stop], the cause of ctx,
// or [ErrClosed]. Errors are prefixed with the recipe's name and path. If ctx has ended, the cause of ctx replaces an
// error after which r.Run would have been called again. r.Run has always returned before it is called again and before
// Run returns.
func (c *Client) Run(ctx context.Context, r Recipe) error {
	if err := c.runAll(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

// String names the recipe in errors.
func (r Recipe) String() string {
	if r.Name == "" && r.Path == "" {
		return "recipe without a name"
	}
	return strings.TrimSpace(r.Name + " " + r.Path)
}

func (c *Client) runAll(ctx context.Context, r Recipe) error {
	if err := c.usable(); err != nil {
		return err
	}
	if r.Run == nil {
		return errors.New("framework.Recipe.Run is nil: there is nothing to run")
	}
	if err := r.Policy.Validate(); err != nil {
		return err
	}
	entry, err := c.core.live.enter(r, c.space)
	if err != nil {
		return err
	}
	defer c.core.live.leave(entry)
	run := run{Recipe: r, client: c, entry: entry}
	for {
		again, err := run.once(ctx)
		if !again {
			return err
		}
	}
}

// run is one call of [Client.Run].
type run struct {
	Recipe
	client *Client
	entry  *entry
	last   *epoch          // of the last start
	gate   *gate           // at the last start
	pauses *retry.Attempts // between starts that are caused by the recipe's errors only
	began  time.Time       // when it last started
}

// failures spaces starts after errors of the recipe, which mostly are refusals of the servers.
var failures = retry.Exponential(100*time.Millisecond, 30*time.Second)

// calm is how long a start must have lasted for the pauses to start over.
const calm = time.Minute

// once runs the recipe in one session. It reports whether the policy says to continue.
func (r *run) once(ctx context.Context) (again bool, err error) {
	e, err := r.next(ctx)
	if err != nil {
		return false, err
	}
	s := r.client.session(e)
	r.last, r.gate, r.began = e, r.client.core.gate.Load(), time.Now()
	s.entry, s.start = r.entry, r.entry.start(e.n)
	work, cancel := s.Context(ctx, r.Policy)
	defer cancel(nil)
	if err = r.Run(work, s); err == nil {
		return false, nil
	}
	cause := causeOf(work)
	if ctx.Err() != nil {
		return false, r.called(ctx, cause, err)
	}
	r.entry.pause(cmp.Or(cause, err))
	return r.judge(cause, err)
}

// called chooses the error of a recipe that returned err after its caller's ctx had ended: the cause of ctx if the
// recipe would have continued after err.
func (r *run) called(ctx context.Context, cause, err error) error {
	why := context.Cause(ctx)
	passing, _ := r.judge(cmp.Or(cause, why), err)
	switch {
	case errors.Is(err, ErrSessionLost):
		passing = passing || r.Policy.OnLost == Rebuild
	case !errors.Is(err, ErrClosed):
		passing = passing || ownEnd(err) || r.entry.retriesErrors()
	}
	if passing && !errors.Is(err, why) {
		return ContextError(ctx)
	}
	return alsoEnded(ctx, err)
}

// next waits for the next connection to run on.
func (r *run) next(ctx context.Context) (*epoch, error) {
	core := r.client.core
	o := r.client.ops
	if r.last != nil && r.Policy.OnLost == Stop {
		o.fixed = r.last
	}
	if r.gate == core.gate.Load() && r.last.ctx.Err() == nil {
		r.breathe(ctx)
	} else {
		r.pauses = nil
	}
	if r.Policy.OnReadOnly == Serve {
		return o.awaitFor(ctx, reads, core.closing)
	}
	return o.await(ctx, core.closing)
}

// breathe waits before a start that would follow immediately, longer each time, or until the state changes. Contexts
// end before the state that ends them is published, so mostly it changes. It does not if a claim of the recipe ends
// before the connection does, because the machine was suspended and no reply has restored trust yet.
func (r *run) breathe(ctx context.Context) {
	core := r.client.core
	if r.pauses == nil || time.Since(r.began) > calm {
		policy := sessionRetries
		if r.entry.retriesErrors() {
			policy = failures
		}
		r.pauses = policy.WithRand(core.random.float64).Start()
	}
	delay, _ := r.pauses.Next()
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.gate.changed:
	case <-core.closing:
	case <-ctx.Done():
	}
}

// judge decides whether a recipe that returned err continues. cause is why its context has ended; nil if it has not.
func (r *run) judge(cause, err error) (again bool, _ error) {
	lost := cause
	if cause == nil && r.last.ctx.Err() != nil && errors.Is(err, ErrSessionLost) {
		lost = err // the error of an operation that learned of it first
	}
	switch {
	case errors.Is(cause, ErrClosed):
		return false, ErrClosed
	case errors.Is(lost, ErrSessionLost):
		return r.Policy.OnLost == Rebuild, lost
	case errors.Is(cause, ErrSuspended), cause == nil && ownEnd(err):
		return true, nil
	case cause == nil && r.entry.retriesErrors():
		if r.entry.fail(err) {
			r.client.core.log.Warn("recipe failed and is retried", "recipe", r.String(), "error", err)
		}
		return true, nil
	}
	return false, err
}

// ownEnd reports whether err is the end of a context that the recipe itself derived from the session, such as a
// claim's.
func ownEnd(err error) bool { return errors.Is(err, ErrSuspended) || errors.Is(err, ErrUntrusted) }
