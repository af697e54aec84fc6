package cache

import (
	"context"
	"errors"
	"sync"

	"github.com/docent-zk/docent/framework"
)

// oneShot is the source that every server has: a watch on each node and one on each list, set again with each read.
type oneShot struct {
	s     *framework.Session
	root  string
	token chan struct{} // ready
	end   chan struct{} // closed by close

	mu      sync.Mutex
	notes   []note
	armed   map[work]*framework.Watch
	waiting sync.WaitGroup
}

func newOneShot(s *framework.Session, root string) *oneShot {
	return &oneShot{s: s, root: root, token: make(chan struct{}, 1), end: make(chan struct{}), armed: make(map[work]*framework.Watch)}
}

// look leaves a watch on a node that does not exist only at the root, where somebody waits for it.
func (o *oneShot) look(ctx context.Context, path string) (framework.Stat, bool, error) {
	stat, ok, w, err := o.s.WatchExists(ctx, path)
	switch {
	case err != nil:
	case ok || path == o.root:
		o.arm(work{path: path}, w)
	default:
		w.Stop()
	}
	return stat, ok, err
}

// get waits for a root that does not exist, too.
func (o *oneShot) get(ctx context.Context, path string) (framework.Node, error) {
	for {
		node, w, err := o.s.WatchData(ctx, path)
		if err == nil {
			o.arm(work{path: path}, w)
		}
		if path != o.root || !errors.Is(err, framework.ErrNoNode) {
			return node, err
		}
		if _, ok, err := o.look(ctx, path); err != nil || !ok {
			return framework.Node{}, errors.Join(err, framework.ErrNoNode)
		}
	}
}

func (o *oneShot) list(ctx context.Context, path string) ([]string, framework.Stat, error) {
	names, stat, w, err := o.s.WatchChildren(ctx, path)
	if err == nil {
		o.arm(work{path: path, list: true}, w)
	}
	return names, stat, err
}

// arm waits for a watch to fire. One that is there already serves as well: if it has fired, there will be another read.
func (o *oneShot) arm(on work, w *framework.Watch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.armed[on] != nil {
		w.Stop()
		return
	}
	o.armed[on] = w
	o.waiting.Go(func() {
		select {
		case ev := <-w.C:
			o.fired(on, w, ev.Type)
		case <-o.end:
			w.Stop()
		}
	})
}

// fired makes a note of an event.
func (o *oneShot) fired(on work, w *framework.Watch, t framework.EventType) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.disarm(on, w, t)
}

// disarm makes a note of an event once, whoever finds it first; t is 0 for one whose type somebody else has.
func (o *oneShot) disarm(on work, w *framework.Watch, t framework.EventType) {
	if o.armed[on] != w {
		return
	}
	delete(o.armed, on)
	n := note{path: on.path}
	switch {
	case t == framework.EventSessionOver: // the next session begins with a look at everything
		return
	case on.list && t == framework.EventDeleted: // the watch on the node says so too
		return
	case on.list:
		n.kind = kidsTouched
	case t == framework.EventDeleted:
		n.kind = nodeGone
	}
	o.notes = append(o.notes, n)
	select {
	case o.token <- struct{}{}:
	default:
	}
}

func (o *oneShot) ready() <-chan struct{} { return o.token }

func (o *oneShot) take() ([]note, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	notes := o.notes
	o.notes = nil
	return notes, nil
}

// catchUp looks at every watch: an event is on its channel before any later answer is given, but perhaps nobody has taken it
// from there yet.
func (o *oneShot) catchUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for on, w := range o.armed {
		select {
		case ev := <-w.C:
			o.disarm(on, w, ev.Type)
		default:
		}
	}
}

func (o *oneShot) follows(path string) bool { return o.covers(work{path: path}) }

// covers reports whether there is a watch from an earlier read.
func (o *oneShot) covers(w work) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.armed[w] != nil
}

// unfollow leaves the watch to fire unheard.
func (o *oneShot) unfollow(path string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.armed, work{path: path})
}

func (o *oneShot) mustList() bool  { return true }
func (o *oneShot) settled() int64  { return 0 }
func (o *oneShot) listening() bool { return true }
func (o *oneShot) tells() bool     { return false } // its own watches must be set again, one by one

// resume waits for the answer to one request: those that set the watches again go ahead of all others on a connection, and servers
// answer them, with what the watches have missed, first.
func (o *oneShot) resume(ctx context.Context) error { return syncSurely(ctx, o.s, o.root) }

func (o *oneShot) close() {
	close(o.end)
	o.waiting.Wait()
}
