package sim

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// counter is one node per lock that only holders write, by guarded transactions, with their token. What the servers have
// applied must be in the order of the tokens, and agree with what the writers were told.
type counter struct {
	mu       sync.Mutex
	newest   map[string]int64 // token, by path of the node
	writes   map[string]int   // applied, as the servers know
	told     map[string]int   // applied, as the writers were told
	unsure   map[string]int   // the writers do not know
	failures []error
}

func counterPath(lock string) string { return "/counters" + lock }

// open makes the nodes and watches what the servers apply.
func (c *counter) open(p *Play) error {
	c.newest, c.writes, c.told, c.unsure = map[string]int64{}, map[string]int{}, map[string]int{}, map[string]int{}
	s := p.w.Server
	if _, err := s.Create("/counters", nil, zktest.Persistent); err != nil {
		return err
	}
	if _, err := s.Create(counterPath("/locks"), nil, zktest.Persistent); err != nil {
		return err
	}
	for i := range p.Locks {
		if _, err := s.Create(counterPath(lockPath(i)), []byte("0"), zktest.Persistent); err != nil {
			return err
		}
	}
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Reply && f.Op == zktest.OpMulti && f.Err == 0 {
			c.look(p)
		}
		return zktest.Pass
	})
	return nil
}

// look compares the nodes with what they were.
func (c *counter) look(p *Play) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range p.Locks {
		path := counterPath(lockPath(i))
		data, stat, err := p.w.Server.Get(path)
		if err != nil {
			continue
		}
		token, _ := strconv.ParseInt(string(data), 10, 64)
		if token < c.newest[path] {
			c.failures = append(c.failures, fmt.Errorf("%s: the holder of token %#x wrote after that of %#x", path, token, c.newest[path]))
		}
		c.newest[path], c.writes[path] = token, int(stat.Version)
	}
}

// write makes a guarded write and notes what it was told.
func (c *counter) write(w *worker, held *lock.Held) {
	path := counterPath(w.path)
	ctx, cancel := context.WithTimeout(w.ctx, 2*w.Timeout)
	defer cancel()
	_, err := held.Set(ctx, path, []byte(strconv.FormatInt(held.Token(), 10)), framework.AnyVersion)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.told[path]++
	case errors.Is(err, lock.ErrNotHeld), errors.Is(err, framework.ErrNotConnected): // nothing was applied
	case errors.Is(err, framework.ErrOutcomeUnknown):
		c.unsure[path]++
	default:
		c.failures = append(c.failures, fmt.Errorf("%s: %w", w.name, err))
	}
}

// judge returns everything that must not be.
func (c *counter) judge() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := append([]error(nil), c.failures...)
	for path, n := range c.writes {
		if n < c.told[path] || n > c.told[path]+c.unsure[path] {
			errs = append(errs, fmt.Errorf("%s was written %d times; the writers know of %d and are not sure of %d",
				path, n, c.told[path], c.unsure[path]))
		}
	}
	return errors.Join(errs...)
}
