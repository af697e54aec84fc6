package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
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
	if err := r.Policy.Validate(); err != nil {
		return err
	}
	entry, err := c.core.live.enter(r)
	if err != nil {
		return err
	}
	defer c.core.live.leave(entry)
	for {
		again, err := c.runOnce(ctx, r, entry)
		if !again {
			return err
		}
	}
}

// runOnce runs the recipe in one session. It reports whether the policy says to go on.
func (c *Client) runOnce(ctx context.Context, r Recipe, entry *LiveRecipe) (again bool, err error) {
	e, err := c.await(ctx)
	if err != nil {
		return false, err
	}
	if c.core.closing.Load() { // looked at after the epoch: see Close
		return false, ErrClosed
	}
	s := c.session(e)
	c.core.live.started(entry, e.n)
	work, cancel := s.Context(ctx, r.Policy)
	defer cancel(nil)
	err = r.Run(work, s)
	if err == nil {
		return false, nil
	}
	return c.judge(ctx, work, r, err)
}

// judge decides whether a recipe that ended with err goes on.
func (c *Client) judge(ctx, work context.Context, r Recipe, err error) (again bool, _ error) {
	cause := causeOf(work)
	switch {
	case ctx.Err() != nil:
		return false, err
	case errors.Is(cause, ErrClosed), c.core.closing.Load():
		return false, ErrClosed
	case errors.Is(cause, ErrSessionLost), cause == nil && errors.Is(err, ErrSessionLost):
		if r.Policy.OnLost == Rebuild {
			return true, nil
		}
		return false, cmpOr(cause, err)
	case errors.Is(cause, ErrSuspended), errors.Is(cause, ErrUntrusted), cause == nil && ownEnd(err):
		return true, nil
	}
	return false, err
}

// ownEnd reports whether err is the end of a context that the recipe had bound to the session itself, as a claim does.
func ownEnd(err error) bool { return errors.Is(err, ErrSuspended) || errors.Is(err, ErrUntrusted) }

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// LiveRecipe is a recipe that is running on a client.
type LiveRecipe struct {
	Name   string
	Path   string
	Policy Policy
	// Since is when Client.Run was called, Epoch the session that the recipe was last started on, Starts how often it was.
	Since  time.Time
	Epoch  uint64
	Starts int
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
