package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
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
	// Run does the work in one session and returns when ctx ends, with whatever error. Its result counts as the recipe's
	// unless ctx was ended by the policy. A panic passes through to the caller of Client.Run.
	Run func(ctx context.Context, s *Session) error
}

// Run runs a recipe: it waits for a session, calls r.Run, and calls it again
//
//   - on the next connection, when [Cancel] ended it on SUSPENDED,
//   - on the next session, when the session was lost and the policy says [Rebuild].
//
// It returns what r.Run returned otherwise: nil, its own error, [ErrSessionLost] under [Stop], the cause of ctx, or
// [ErrClosed]; errors with the recipe's name and path in front. r.Run has always returned before it is called again and
// before Run returns.
func (c *Client) Run(ctx context.Context, r Recipe) error {
	if err := c.runAll(ctx, r); err != nil {
		return fmt.Errorf("%s %s: %w", r.Name, r.Path, err)
	}
	return nil
}

func (c *Client) runAll(ctx context.Context, r Recipe) error {
	if r.Run == nil {
		return errors.New("the recipe has no Run")
	}
	if err := r.Policy.Validate(); err != nil {
		return err
	}
	entry, err := c.core.live.enter(r)
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
	entry  *LiveRecipe
	last   *epoch          // of the latest start
	gate   *gate           // at the latest start
	pauses *retry.Attempts // between starts that nothing but the recipe's own end lies between
}

// once runs the recipe in one session. It reports whether the policy says to go on.
func (r *run) once(ctx context.Context) (again bool, err error) {
	e, err := r.next(ctx)
	if err != nil {
		return false, err
	}
	s := r.client.session(e)
	r.last, r.gate = e, r.client.core.gate.Load()
	r.client.core.live.started(r.entry, e.n)
	work, cancel := s.Context(ctx, r.Policy)
	defer cancel(nil)
	if err = r.Run(work, s); err == nil || ctx.Err() != nil {
		return false, err
	}
	return r.judge(causeOf(work), err)
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
	return o.await(ctx, core.closing)
}

// breathe waits a little, and longer each time, ahead of a start that would come at once, or until the state changes.
// Contexts end ahead of the state that ends them, so mostly it does. It does not when a claim of the recipe ends before the
// connection does: the machine was asleep, and no answer has restored trust yet.
func (r *run) breathe(ctx context.Context) {
	core := r.client.core
	if r.pauses == nil {
		r.pauses = sessionRetries.WithRand(core.random.float64).Start()
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
	}
	return false, err
}

// ownEnd reports whether err is the end of a context that the recipe had bound to the session itself, as a claim does.
func ownEnd(err error) bool { return errors.Is(err, ErrSuspended) || errors.Is(err, ErrUntrusted) }

// LiveRecipe is a recipe that is running on a client.
type LiveRecipe struct {
	Name   string    // as its Recipe says
	Path   string    // as its Recipe says
	Policy Policy    // as its Recipe says
	Since  time.Time // when Client.Run was called
	Epoch  uint64    // the session that it was last started on, 0 before the first start
	Starts int       // how often it was started
}

// registry knows the recipes that run, for Close, which waits for them, and for those who look.
type registry struct {
	mu      sync.Mutex
	entries []*LiveRecipe
	closed  bool
	empty   chan struct{} // closed by the last one to leave after close
}

func (g *registry) enter(r Recipe) (*LiveRecipe, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	entry := &LiveRecipe{Name: r.Name, Path: r.Path, Policy: r.Policy, Since: time.Now()}
	g.entries = append(g.entries, entry)
	return entry, nil
}

func (g *registry) started(entry *LiveRecipe, epoch uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	entry.Epoch, entry.Starts = epoch, entry.Starts+1
}

func (g *registry) leave(entry *LiveRecipe) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.entries, entry); i >= 0 {
		g.entries = slices.Delete(g.entries, i, i+1)
	}
	if g.closed && len(g.entries) == 0 {
		close(g.empty)
	}
}

// close admits no more recipes. The result is closed when the last one has returned.
func (g *registry) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.empty = true, make(chan struct{})
	if len(g.entries) == 0 {
		close(g.empty)
	}
	return g.empty
}

func (g *registry) list() []LiveRecipe {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]LiveRecipe, len(g.entries))
	for i, e := range g.entries {
		list[i] = *e
	}
	return list
}
