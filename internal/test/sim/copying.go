package sim

import (
	"strings"
	"sync"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// copying is a listener that applies the events of a cache to a copy.
type copying struct {
	*user
	mirror *mirror
	slow   bool
	fresh  bool             // by the latest event
	seen   map[string]int64 // mzxid that was there last, by path

	mu    sync.Mutex
	nodes map[string]framework.Node // by path on the server
}

func (c *copying) work(events <-chan cache.Event) {
	for e := range events {
		c.heard()
		c.apply(e)
		if c.slow && oneIn(c.r, 4) {
			c.pause(c.ctx, c.upTo(c.Timeout/4))
		}
	}
}

// isFresh reports whether the latest event of its kind says that the cache is fresh.
func (c *copying) isFresh() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fresh
}

// all is the copy, with the mzxids.
func (c *copying) all() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]int64)
	for path, n := range c.nodes {
		all[path] = n.Stat.Mzxid
	}
	return all
}

// apply applies an event, and checks that it fits what was there.
func (c *copying) apply(e cache.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path := c.abroad(e.Path)
	old, there := c.nodes[path]
	switch e.Type {
	case cache.Added:
		_, parent := c.nodes[path[:strings.LastIndexByte(path, '/')]]
		if there || !parent && path != c.mirror.root {
			c.say("%v, and it is there: %v, and its parent: %v", e, there, parent)
		}
		c.put(path, e.New)
	case cache.Changed:
		if !there || old.Stat.Mzxid != e.Old.Stat.Mzxid || e.Old.Stat.Czxid != e.New.Stat.Czxid {
			c.say("%v, and there is %v as of %#x", e, there, old.Stat.Mzxid)
		}
		c.put(path, e.New)
	case cache.Removed:
		if !there || old.Stat.Mzxid != e.Old.Stat.Mzxid || c.hasChildren(path) {
			c.say("%v, and there is %v as of %#x, with children: %v", e, there, old.Stat.Mzxid, c.hasChildren(path))
		}
		delete(c.nodes, path)
	case cache.Synced:
		if c.fresh {
			c.say("was told twice that the cache is fresh")
		}
		c.fresh = true
	case cache.Stale:
		c.fresh = false
	case cache.Refused:
		c.say("%v", e)
	}
}

func (c *copying) put(path string, n framework.Node) {
	c.mirror.mustBeTrue("was told of", n)
	// Where the event of a parent that was replaced never came, its children are told of again when it is noticed.
	if n.Stat.Mzxid < c.seen[path] || n.Stat.Mzxid == c.seen[path] && !c.missesEvents() {
		c.say("was told of %s as of %#x behind %#x", path, n.Stat.Mzxid, c.seen[path])
	}
	c.nodes[path], c.seen[path] = n, n.Stat.Mzxid
}

func (c *copying) hasChildren(path string) bool {
	for other := range c.nodes {
		if strings.HasPrefix(other, path+"/") {
			return true
		}
	}
	return false
}
