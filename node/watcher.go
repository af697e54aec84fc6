package node

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
)

// WatchMembers follows a group. The channel receives the group when it has been read for the first time, and after
// every change: a member has joined, left, been replaced, or has a new payload. A slow reader receives the latest
// group, not those in between. The channel is closed when ctx ends and when the client is closed.
//
// After a reconnect and in a new session, the group is read again. Nothing is sent while there is no connection (see
// framework's States). An unchanged group costs no requests. A new member costs two reads, and a leaving one or a new
// payload one each. Changes within a few milliseconds are read together, and only what has changed is read again,
// except in a new session. Each member is as it was at some moment since its last reported change; different members
// may be from different moments.
//
// If the servers refuse a read of the group, Err says so, and the read is retried with growing pauses. A member that
// must not be read has an Err of its own, and is read again whenever the list changes.
func WatchMembers(ctx context.Context, cli *framework.Client, dir string) <-chan Group {
	dir = framework.Abs(dir)
	w := &watcher{cli: cli, dir: dir, out: make(chan Group, 1)}
	go func() {
		defer close(w.out)
		if err := framework.ValidatePath(dir); err != nil {
			w.publish(Group{Err: err})
			return
		}
		err := cli.Run(ctx, framework.Recipe{Name: "group", Path: dir, Policy: keeping, Run: w.session})
		if ctx.Err() == nil && !errors.Is(err, framework.ErrClosed) {
			w.publish(Group{Err: err}) // the client is nil
		}
	}()
	return w.out
}

// watcher is one call of WatchMembers.
type watcher struct {
	cli    *framework.Client
	dir    string
	out    chan Group // holds the latest group until it is received
	shown  bool
	last   Group
	pauses *retry.Attempts
}

// publish replaces a group that was not received.
func (w *watcher) publish(g Group) {
	w.shown, w.last = true, g
	for {
		select {
		case w.out <- g:
			return
		default:
		}
		select {
		case <-w.out:
		default: // received at this moment
		}
	}
}

// session follows the group in one session.
func (w *watcher) session(ctx context.Context, s *framework.Session) error {
	r := &roster{watcher: w, s: s, entries: make(map[string]*entry), wake: make(chan struct{}, 1), unlisted: true}
	defer r.followers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		err := r.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, framework.ErrSessionLost), errors.Is(err, framework.ErrClosed):
			return err
		case err != nil:
			w.publish(Group{Members: w.last.Members, Err: err})
			s.Report("not following", err)
			w.pause(ctx)
			continue
		}
		w.pauses = nil
		s.Report("following", nil)
		if g := r.group(); !w.shown || w.last.Err != nil || !same(g.Members, w.last.Members) {
			w.publish(g)
		}
		r.await(ctx)
	}
}

// burst is how long a first change waits for others: a leaving member causes two events, and many members join at once.
const burst = 5 * time.Millisecond

// await returns when something has changed.
func (r *roster) await(ctx context.Context) {
	select {
	case <-r.wake:
	case <-ctx.Done():
		return
	}
	t := time.NewTimer(burst)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// pause waits, longer each time.
func (w *watcher) pause(ctx context.Context) {
	if w.pauses == nil {
		w.pauses = refusals.WithRand(func() float64 { return draw(w.cli) }).Start()
	}
	_ = w.pauses.Wait(ctx) // the next request fails if ctx has ended
}

// same reports whether two groups are equal. Every change has its own zxid, including the creation of a node.
func same(a, b []Member) bool {
	return slices.EqualFunc(a, b, func(a, b Member) bool {
		return a.ID == b.ID && a.Stat.Mzxid == b.Stat.Mzxid && (a.Err == nil) == (b.Err == nil)
	})
}

// entry is one member as it was read.
type entry struct {
	member Member
	stale  bool // it has changed since, or was never read
}

// roster is the group in one session.
type roster struct {
	*watcher
	s         *framework.Session
	wake      chan struct{} // holds a token when something has changed
	followers sync.WaitGroup

	mu       sync.Mutex // guards the fields below, which the goroutines of watches use
	unlisted bool       // the list has changed since it was read, or was never read
	lists    int        // how often the list was read
	entries  map[string]*entry
}

// refresh reads what has changed.
func (r *roster) refresh(ctx context.Context) error {
	if err := r.list(ctx); err != nil {
		return err
	}
	names := r.stale()
	errs := make([]error, len(names))
	together(len(names), func(i int) { errs[i] = r.read(ctx, names[i]) })
	return errors.Join(errs...)
}

// list reads the list of members if it has changed.
func (r *roster) list(ctx context.Context) error {
	n, due := r.begin()
	if !due {
		return nil
	}
	names, w, err := r.children(ctx)
	if err != nil {
		r.changed(func() { r.unlisted = true })
		return err
	}
	r.follow(ctx, w, func(framework.Event) { r.unlisted = r.unlisted || n == r.lists })
	r.enrol(names)
	return nil
}

// begin counts a read of the list, if one is due.
func (r *roster) begin() (n int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.unlisted {
		return 0, false
	}
	r.unlisted = false
	r.lists++
	return r.lists, true
}

// children lists and watches the directory. If it does not exist, it waits for its creation.
func (r *roster) children(ctx context.Context) ([]string, *framework.Watch, error) {
	for {
		names, _, w, err := r.s.WatchChildren(ctx, r.dir)
		if !errors.Is(err, framework.ErrNoNode) {
			return names, w, err
		}
		_, there, w, err := r.s.WatchExists(ctx, r.dir)
		if err != nil || !there {
			return nil, w, err
		}
		w.Stop()
	}
}

// enrol sets the entries to those of names.
func (r *roster) enrol(names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.entries
	r.entries = make(map[string]*entry, len(names))
	for _, name := range names {
		e := old[name]
		if e == nil {
			e = &entry{member: Member{ID: name}, stale: true}
		}
		e.stale = e.stale || e.member.Err != nil
		r.entries[name] = e
	}
}

// stale lists the members that have to be read.
func (r *roster) stale() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name, e := range r.entries {
		if e.stale {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// read reads one member and watches it.
func (r *roster) read(ctx context.Context, name string) error {
	e := &entry{member: Member{ID: name}}
	node, w, err := r.s.WatchData(ctx, framework.Join(r.dir, name))
	switch {
	case err == nil:
		e.member.Data, e.member.Stat = node.Data, node.Stat
	case errors.Is(err, framework.ErrNoAuth):
		e.member.Err = err
	case errors.Is(err, framework.ErrNoNode):
		r.put(name, nil)
		return nil
	default:
		return err
	}
	r.put(name, e)
	if w != nil {
		r.follow(ctx, w, func(ev framework.Event) { r.note(name, e, ev) })
	}
	return nil
}

func (r *roster) put(name string, e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e == nil {
		delete(r.entries, name)
		return
	}
	r.entries[name] = e
}

// note records the event of a member's watch, unless the member has been replaced since. A member that has left is not
// read again: the list shows whether there is a new one of the same name.
func (r *roster) note(name string, e *entry, ev framework.Event) {
	switch {
	case r.entries[name] != e:
	case ev.Type == framework.EventDeleted:
		delete(r.entries, name)
		r.unlisted = true
	default:
		e.stale = true
	}
}

// follow waits for the event of a watch and records it.
func (r *roster) follow(ctx context.Context, w *framework.Watch, note func(framework.Event)) {
	r.followers.Go(func() {
		select {
		case ev := <-w.C:
			if ev.Err == nil {
				r.changed(func() { note(ev) })
			}
		case <-ctx.Done():
			w.Stop()
		}
	})
}

// changed makes a change and wakes the loop.
func (r *roster) changed(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// group returns the group as read.
func (r *roster) group() Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	members := make([]Member, 0, len(r.entries))
	for _, name := range slices.Sorted(maps.Keys(r.entries)) {
		members = append(members, r.entries[name].member)
	}
	return Group{Members: members}
}
