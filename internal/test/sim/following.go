package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/counter"
)

// following is somebody who follows a counter, and what it was given.
type following struct {
	*user
	part *counterPart
	name string

	mu   sync.Mutex
	seen []counter.Versioned[string]
}

// follow has a user follow a counter until the play is over.
func follow[T any](c *counterPart, u *user, name string, text func(T) string, changes func(context.Context) *counter.Changes[T]) {
	f := &following{user: u, part: c, name: name}
	slow := u.may("slow reader", 3)
	c.followers = append(c.followers, f)
	c.tail.Go(func() {
		list := changes(u.late)
		for v := range list.C {
			u.heard()
			f.mu.Lock()
			f.seen = append(f.seen, counter.Versioned[string]{Value: text(v.Value), Version: v.Version})
			f.mu.Unlock()
			if slow && u.late.Err() == nil { // in the calm time, too: the last state must not be the one that it misses
				time.Sleep(u.upTo(u.Timeout))
			}
		}
		if u.late.Err() == nil {
			u.say("Changes: %w", list.Err())
		}
	})
}

// data is what a state reads as.
func (f *following) data(s state) string {
	if f.name == "value" {
		return s.data
	}
	return fmt.Sprint(number(s.data))
}

// rested: the followers have what is there.
func (c *counterPart) rested() {
	for _, f := range c.followers {
		f.mu.Lock()
		seen := f.seen
		f.mu.Unlock()
		s := c.hist.latest(c.path + "/" + f.name)
		if s.gone {
			continue // nobody has written
		}
		if n := len(seen); n == 0 || seen[n-1].Version != s.version || seen[n-1].Value != f.data(s) {
			f.say("was given %v last, and it is %v", seen[max(0, n-1):], s)
		}
	}
}

// judge: what was given was there, and later versions came later.
func (f *following) judge() error {
	before := counter.NoVersion - 1
	states := f.part.hist.states(f.path + "/" + f.name)
	for _, v := range f.seen {
		switch {
		case v.Version <= before:
			return fmt.Errorf("%s was given version %d behind %d", f.name, v.Version, before)
		case v.Version == counter.NoVersion:
		case !slices.ContainsFunc(states, func(s state) bool { return s.version == v.Version && f.data(s) == v.Value }):
			return fmt.Errorf("%s was given %v, which never was", f.name, v)
		}
		before = v.Version
	}
	return nil
}
