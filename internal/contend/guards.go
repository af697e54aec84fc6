package contend

import (
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// watchDelay is how long a claim is held before its node is watched. A shorter critical section costs only create, list
// and delete, and no goroutine or timer of its own.
const watchDelay = 20 * time.Millisecond

// guards belong to the claims of one session. One timer starts the guards of all claims.
type guards struct {
	mu    sync.Mutex
	young []*Claim    // claims that began less than watchDelay ago, in order; some may have ended
	timer *time.Timer // nil before the first claim
	armed bool        // the timer is running
}

// guardsKey is the key of a session's guards.
type guardsKey struct{}

func guardsOf(s *framework.Session) *guards {
	return recipekit.Attached(s, guardsKey{}, func() any { return new(guards) }).(*guards)
}

// expect starts a guard for a claim after watchDelay.
func (g *guards) expect(c *Claim) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.guards, c.due = g, time.Now().Add(watchDelay)
	g.young = append(g.young, c)
	if g.armed {
		return
	}
	g.armed = true
	if g.timer == nil {
		g.timer = time.AfterFunc(watchDelay, g.look)
		return
	}
	g.timer.Reset(watchDelay)
}

// look starts the guards that are due.
func (g *guards) look() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.young = slices.DeleteFunc(g.young, func(c *Claim) bool {
		if !c.finished && !now.Before(c.due) {
			c.over = make(chan struct{})
			go c.guard()
		}
		return c.finished || c.over != nil
	})
	if g.armed = len(g.young) > 0; g.armed {
		g.timer.Reset(g.young[0].due.Sub(now))
	}
}

// dismiss returns when a claim that has ended has no guard, and will not get one.
func (g *guards) dismiss(c *Claim) {
	g.mu.Lock()
	c.finished = true
	over := c.over
	g.mu.Unlock()
	if over != nil {
		<-over
	}
}
