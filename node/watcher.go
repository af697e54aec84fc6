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

// WatchMembers follows a group: it returns a channel that has the group as soon as it was read for the first time, and again
// after every change: somebody has joined or left, was replaced, or has another payload. A reader that is slow gets the
// latest group and not those in between. The channel is closed when ctx ends and when the client is closed.
//
// After a reconnect, and in a new session, the group is brought up to date; while the connection is away the channel is
// silent (see framework's States). Idle, it costs no requests. Somebody who joins costs two reads, who leaves one, and a
// new payload one; changes within a few milliseconds are read together, and nothing is read again that has not changed, but in
// a new session. Every member is as it was at some moment
// since its last change was reported, and not all at one moment.
//
// What the servers refuse is a Group with Err, and is tried again, with growing pauses. A member that may not be read has an
// Err of its own and is tried again whenever the list changes.
func WatchMembers(ctx context.Context, cli *framework.Client, dir string) <-chan Group {
	dir = framework.Abs(dir)
	w := &watcher{cli: cli, dir: dir, out: make(chan Group, 1)}
	go func() {
		defer close(w.out)
		if err := framework.ValidatePath(dir); err != nil {
			w.publish(Group{Err: err})
			return
		}
		_ = cli.Run(ctx, framework.Recipe{Name: "group", Path: dir, Policy: keeping, Run: w.session}) // ended by ctx or the client
	}()
	return w.out
}

// watcher is one WatchMembers.
type watcher struct {
	cli    *framework.Client
	dir    string
	out    chan Group // holds the latest group until it is read
	shown  bool
	last   Group
	pauses *retry.Attempts
}

// publish puts a group in the place of one that was not read.
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
		default: // read at this moment
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

// burst is how long a first change waits for others that came along with it: who leaves is told of twice, and many join
// at once.
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

// pause waits a little, longer each time.
func (w *watcher) pause(ctx context.Context) {
	if w.pauses == nil {
		w.pauses = refusals.WithRand(func() float64 { return draw(w.cli) }).Start()
	}
	_ = w.pauses.Wait(ctx) // whoever comes next sees that ctx has ended
}

// same reports whether two groups show no difference. No two changes have the same zxid, the creation of a node included.
func same(a, b []Member) bool {
	return slices.EqualFunc(a, b, func(a, b Member) bool {
		return a.ID == b.ID && a.Stat.Mzxid == b.Stat.Mzxid && (a.Err == nil) == (b.Err == nil)
	})
}

// entry is one member, as it was read.
type entry struct {
	member Member
	stale  bool // it has changed since, or was never read
}

// roster is a group in one session.
type roster struct {
	*watcher
	s         *framework.Session
	wake      chan struct{} // holds a token when something has changed
	followers sync.WaitGroup

	mu       sync.Mutex // guards the following against the followers of watches
	unlisted bool       // the list has changed since it was read, or was never read
	lists    int        // how often it was read
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

// list reads who is in the group, if that has changed.
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

// begin counts a reading of the list, if one is due.
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

// children lists and watches the directory. If there is none it waits for one, which is a watch on its existence.
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

// enrol makes the entries those of names.
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

// note takes down what a watch says of a member, unless it is about one that was replaced since. A member that has left is not
// read: the list tells whether another one of that name has come.
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

// follow waits for a watch and has its event taken down.
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

// group is what was read.
func (r *roster) group() Group {
	r.mu.Lock()
	defer r.mu.Unlock()
	members := make([]Member, 0, len(r.entries))
	for _, name := range slices.Sorted(maps.Keys(r.entries)) {
		members = append(members, r.entries[name].member)
	}
	return Group{Members: members}
}
