package framework

import (
	"sync"
	"sync/atomic"
)

// creating counts the running creates of unprotected ephemeral nodes of a client. The owner of such a node tells which
// client has created it, but not which of several calls.
type creating struct {
	mu sync.Mutex
	m  map[string]*rivals
}

// rivals are creates of the same path that overlap in time.
type rivals struct {
	calls int         // running; guarded by creating.mu
	more  atomic.Bool // there were two at a time
}

func (c *creating) enter(at string) *rivals {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[string]*rivals)
	}
	r := c.m[at]
	if r == nil {
		r = &rivals{}
		c.m[at] = r
	}
	r.calls++
	if r.calls > 1 {
		r.more.Store(true)
	}
	return r
}

func (c *creating) leave(at string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.m[at]
	if r.calls--; r.calls == 0 {
		delete(c.m, at)
	}
}

// several reports whether two creates of the path ran at the same time.
func (r *rivals) several() bool { return r != nil && r.more.Load() }
