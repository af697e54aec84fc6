package framework

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quietFor is how long the log does not repeat a line about the same continuing problem.
const quietFor = time.Minute

// maxLines is how many lines of one kind about different recipes are written at a time. One line counts the rest.
const maxLines = 10

// repeats remembers which reasons were logged recently.
type repeats struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// news reports whether a reason was not logged within quietFor, and records that it is now.
func (r *repeats) news(reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for old, at := range r.said {
		if now.Sub(at) >= quietFor {
			delete(r.said, old)
		}
	}
	if _, said := r.said[reason]; said {
		return false
	}
	if r.said == nil {
		r.said = make(map[string]time.Time)
	}
	r.said[reason] = now
	return true
}

// dialFailed records why a server could not be reached, or did not open the session.
func (c *core) dialFailed(server string, err error) {
	if refused := c.certificateRefused(server, err); refused != nil {
		c.identities.refused(refused)
	}
	c.dialled(err)
	level := slog.LevelDebug
	if c.repeats.news(server + " " + innermost(err).Error()) {
		level = slog.LevelWarn
	}
	c.log.Log(context.Background(), level, "cannot connect", "server", server, "error", err)
}

// who returns the attributes that name a recipe.
func (r *LiveRecipe) who() []any {
	return []any{"recipe", r.Name, "path", r.Path, "namespace", r.Namespace}
}

// lost logs that a claim has ended.
func (e *entry) lost(err error) {
	e.registry.log.Warn("claim lost", append(e.who(), append(e.attrs(), "cause", err)...)...)
}

// attrs returns the attributes of the status, such as a claim's node and token.
func (e *entry) attrs() (args []any) {
	for _, a := range e.Status.Attrs {
		args = append(args, a)
	}
	return args
}

// sayUnwell logs which recipes have been unwell for longer than a bound, each once until it is well again.
func (g *registry) sayUnwell(now time.Time, bound time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	lines := 0
	for _, e := range g.entries {
		since := e.Status.Unwell
		if e.Held || e.said || since.IsZero() || now.Sub(since) < bound {
			continue
		}
		e.said = true
		if lines++; lines <= maxLines {
			g.log.Warn("recipe is not well", append(e.who(), "state", e.Status.State, "since", since.Round(0), "error", e.Status.Err)...)
		}
	}
	if lines > maxLines {
		g.log.Warn("further recipes are not well", "count", lines-maxLines)
	}
}

// rebuilt counts the nodes that were rebuilt in a session.
type rebuilt struct {
	mu    sync.Mutex
	epoch uint64
	count int
	told  int
}

// add counts a node, and reports whether it is to be logged.
func (r *rebuilt) add(epoch uint64) (line bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch != epoch {
		r.epoch, r.count, r.told = epoch, 0, maxLines
	}
	r.count++
	return r.count <= maxLines
}

// rest returns how many nodes were not logged. It returns each number once.
func (r *rebuilt) rest() (count int, epoch uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count <= r.told {
		return 0, 0
	}
	r.told = r.count
	return r.count - maxLines, r.epoch
}

// sayRebuilt implements recipekit.Rebuilt.
func (s *Session) sayRebuilt(recipe, path string) {
	if s.core.rebuilt.add(s.e.n) {
		s.core.log.Info("node rebuilt in the new session", "recipe", recipe, "path", path, "namespace", s.space.name(), "epoch", s.e.n, "session", hex(s.e.wire.ID()))
	}
}

// sayRecipes writes what there is to say of recipes while a connection serves. What is wrong in an outage has one cause, which the states tell.
func (c *core) sayRecipes(g *gate, timeout time.Duration) {
	now := time.Now()
	if g.State.Connected() && now.Sub(g.Time) > timeout {
		c.live.sayUnwell(now, timeout)
	}
	if n, epoch := c.rebuilt.rest(); n > 0 {
		c.log.Info("further nodes rebuilt in the new session", "count", n, "epoch", epoch)
	}
}
