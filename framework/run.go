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

// Recipe is work that is done once per session.
type Recipe struct {
	// Name says what it is, for logs, errors and Client.Recipes: "lock", "leader".
	Name string
	// Path is what it is about, in the client's namespace.
	Path string
	// Policy says how it answers SUSPENDED and LOST.
	Policy Policy
	// Attrs is more to know of it, for Client.Recipes, which resolves the values: see Status.Attrs. It is not to be changed
	// afterwards.
	Attrs []slog.Attr
	// Run does the work in one session and returns when ctx ends, with whatever error. Its result counts as the recipe's
	// unless ctx was ended by the policy. A panic passes through to the caller of Client.Run.
	Run func(ctx context.Context, s *Session) error
}

// Run runs a recipe: it waits for a session, calls r.Run, and calls it again
//
//   - on the next connection, when [Cancel] ended it on SUSPENDED,
//   - on the next session, when the session was lost and the policy says [Rebuild],
//   - after a pause, when it returned an error of its own and has called [Session.RetryErrors] before.
//
// It returns what r.Run returned otherwise: nil, its own error, [ErrSessionLost] under [Stop], the cause of ctx, or
// [ErrClosed]; errors with the recipe's name and path in front. When ctx has ended, an error after which r.Run would have been
// called again is replaced by the cause of ctx. r.Run has always returned before it is called again and before Run returns.
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
	last   *epoch          // of the latest start
	gate   *gate           // at the latest start
	pauses *retry.Attempts // between starts that nothing but the recipe's own end lies between
	began  time.Time       // the latest start
}

// failures spaces starts after errors of the recipe's own, which mostly are refusals by the servers.
var failures = retry.Exponential(100*time.Millisecond, 30*time.Second)

// calm is how long a start must have lasted for pauses to begin small again.
const calm = time.Minute

// once runs the recipe in one session. It reports whether the policy says to go on.
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

// called chooses the error of a recipe that ended with err after its caller's ctx had ended: the cause of ctx if the recipe would have
// gone on after err.
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

// next waits for the connection to run on.
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

// breathe waits a little, and longer each time, ahead of a start that would come at once, or until the state changes.
// Contexts end ahead of the state that ends them, so mostly it does. It does not when a claim of the recipe ends before the
// connection does: the machine was asleep, and no answer has restored trust yet.
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

// judge decides whether a recipe that ended with err goes on. cause is why its context has ended, nil if it has not.
func (r *run) judge(cause, err error) (again bool, _ error) {
	lost := cause
	if cause == nil && r.last.ctx.Err() != nil && errors.Is(err, ErrSessionLost) {
		lost = err // of an operation, which knew it first
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
			r.client.core.log.Warn("recipe fails and is tried again", "recipe", r.String(), "error", err)
		}
		return true, nil
	}
	return false, err
}

// ownEnd reports whether err is the end of a context that the recipe had bound to the session itself, as a claim does.
func ownEnd(err error) bool { return errors.Is(err, ErrSuspended) || errors.Is(err, ErrUntrusted) }
