package contend

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/internal/telemetry"
)

// turnWatcher learns when the turn of the first place of a line has come. A list that is asked for behind the create of a place shows everybody
// who can ever be ahead of it. The place watches its own node and the two nearest nodes ahead. When the farther of the two is deleted, it lists the
// queue again, or watches all nodes that are left if those are few. Once all nodes that are left are watched, the turn has come when the last one
// is deleted, and no list is needed.
//
// This is true on one connection only. There a server sends events in the order of the transactions, and an answer behind an event shows a state
// that is not older. So the list, the watches and the events must belong to the same connection. Otherwise events are only a reason to list,
// and the turn has come when a list shows nobody ahead.
type turnWatcher struct {
	place   *Place
	watches map[string]watched // by path

	ahead []seqnode.Name // the nodes that may be left ahead
	rank  int            // how many places they are
	on    int            // the connection on which they were listed; 0 if it is not known
	total int            // how many children the list had
	all   bool           // all of ahead are to be watched

	readAt time.Time // when the nodes are to be read that are watched and were not
}

// watched is the watch of a node.
type watched struct {
	*framework.Watch
	on   int    // the connection on which it was set; 0 if that is not known
	read bool   // the node was read, so its ACL lets the client see what happens to it
	id   []byte // the node's data, if it was read
}

// readDelay is how long a place waits before it reads the nodes that it watches. Servers set a watch whatever the ACL of the node says. So a place that
// may not read a node ahead learns of that by a read, which shorter waits do without.
const readDelay = watchDelay

// listWorth is how many names in a list cost about as much as the request and the answer for one node.
const listWorth = 8

// waitInLine is wait in a queue that is Strict. names is nil if the directory was not listed behind the create.
func (p *Place) waitInLine(ctx context.Context, names []string) error {
	t := &turnWatcher{place: p, watches: make(map[string]watched)}
	defer t.stopAll()
	if names != nil {
		if err := t.use(p.queue.listed(names, 0, p.listedOn)); err != nil {
			return err
		}
	}
	if names == nil || len(t.ahead) > 0 {
		if err := t.awaitLine(ctx, names == nil); err != nil {
			return err
		}
	}
	if err := t.run(ctx); err != nil {
		return err
	}
	p.line.granted(p, t.on)
	p.watch = t.takeOwn()
	return nil
}

// awaitLine waits until the place is the first of its line, and takes ahead from the latest list then. If there is none, the place lists the
// queue if it has not been listed. An heir has nobody ahead then.
func (t *turnWatcher) awaitLine(ctx context.Context, unlisted bool) error {
	p, on := t.place, recipekit.Connection(t.place.session)
	p.line.join(p)
	turn, err := p.line.await(ctx, p)
	if err != nil {
		return err
	}
	if turn {
		t.see(nil)
		t.on = p.stable(on)
		return nil
	}
	if l := p.line.recent(p, p.since); l != nil {
		return t.use(l)
	}
	if unlisted {
		return t.list(ctx, p.since)
	}
	return nil
}

// run returns nil when nobody is ahead.
func (t *turnWatcher) run(ctx context.Context) error {
	for len(t.ahead) > 0 {
		n, refused := t.place.session.Refusals()
		if n > 0 {
			if _, err := t.place.queue.leftovers(t.place.session, t.ahead); err != nil {
				return err
			}
		}
		near := t.report(ctx)
		if err := t.step(ctx, refused); err != nil {
			return t.place.waited(near, err)
		}
	}
	t.report(ctx)
	return nil
}

// step waits until one of the nodes ahead has changed, or until refused is closed.
func (t *turnWatcher) step(ctx context.Context, refused <-chan struct{}) error {
	known, err := t.watchNearest(ctx)
	if err == nil && known && t.watching() {
		if t.watches[t.place.node.Path].read {
			t.publish() // with the id of the nearest node ahead
		}
		known, err = t.awaitEvent(ctx, refused)
	}
	if err != nil || known {
		return err
	}
	return t.list(ctx, t.place.line.now())
}

// watching reports whether there is somebody ahead and all that are to be watched are. Some are not if those that were to be are gone.
func (t *turnWatcher) watching() bool {
	return len(t.ahead) > 0 && !slices.ContainsFunc(t.nearest(), func(path string) bool { return !t.watched(path) })
}

// watchNearest sets the watches that are missing, that of the own node last. Nodes that do not exist any more are removed from ahead. It reports
// whether ahead is still known.
func (t *turnWatcher) watchNearest(ctx context.Context) (known bool, err error) {
	wanted := append(t.nearest(), t.place.node.Path)
	t.stop(func(path string, w watched) bool { return w.on != t.on || !slices.Contains(wanted, path) })
	missing := slices.DeleteFunc(wanted, t.watched)
	if len(missing) == 0 {
		return true, nil
	}
	on := recipekit.Connection(t.place.session)
	watches, nodes, err := recipekit.WatchNodes(ctx, t.place.session, missing)
	if err != nil {
		return false, err
	}
	on = t.place.stable(on)
	if nodes == nil {
		t.readAt = time.Now().Add(readDelay)
	}
	var gone []string
	for i, w := range watches {
		switch {
		case w == nil:
			gone = append(gone, missing[i])
		case nodes == nil:
			t.watches[missing[i]] = watched{Watch: w, on: on}
		default:
			t.watches[missing[i]] = watched{w, on, true, nodes[i].Data}
		}
	}
	return t.remove(on, gone...)
}

// nearest are the nodes ahead that are to be watched.
func (t *turnWatcher) nearest() (paths []string) {
	ahead := t.ahead
	if !t.all {
		ahead = ahead[max(0, len(ahead)-2):]
	}
	for _, n := range ahead {
		paths = append(paths, t.path(n))
	}
	return paths
}

// awaitEvent waits for the event of one of the two nearest nodes ahead, which are watched, or of the own one.
func (t *turnWatcher) awaitEvent(ctx context.Context, refused <-chan struct{}) (known bool, err error) {
	own, near, far := t.place.node.Path, t.path(t.ahead[len(t.ahead)-1]), ""
	if len(t.ahead) > 1 {
		far = t.path(t.ahead[len(t.ahead)-2])
	}
	unread, stop := t.unread()
	defer stop()
	select {
	case <-unread:
		return t.reread(ctx, refused)
	case ev := <-t.channel(near):
		return t.onEvent(near, ev)
	case ev := <-t.channel(far):
		return t.onEvent(far, ev)
	case ev := <-t.channel(own):
		return t.onEvent(own, ev)
	case <-refused:
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// reread reads the nodes that are watched and were not read, and goes on to await an event.
func (t *turnWatcher) reread(ctx context.Context, refused <-chan struct{}) (known bool, err error) {
	t.stop(func(_ string, w watched) bool { return !w.read })
	if known, err = t.watchNearest(ctx); err != nil || !known || !t.watching() {
		return known, err
	}
	t.publish()
	return t.awaitEvent(ctx, refused)
}

// unread returns a channel on which something comes when the nodes are to be read that are watched and were not; nil if there are none.
func (t *turnWatcher) unread() (due <-chan time.Time, stop func() bool) {
	for _, w := range t.watches {
		if !w.read {
			timer := time.NewTimer(time.Until(t.readAt))
			return timer.C, timer.Stop
		}
	}
	return nil, func() bool { return false }
}

// onEvent handles the event of a watch. It reports whether ahead is still known.
func (t *turnWatcher) onEvent(path string, ev framework.Event) (known bool, err error) {
	on := recipekit.FiredOn(t.watches[path].Watch)
	delete(t.watches, path)
	switch {
	case ev.Err != nil:
		return false, ev.Err
	case ev.Type == framework.EventDeleted:
		return t.remove(on, path)
	}
	return on == t.on, nil
}

// remove removes nodes from ahead which, as a server has said on that connection, do not exist. It reports whether ahead is still known. It returns
// ErrDeleted if the own node is one of them.
func (t *turnWatcher) remove(on int, paths ...string) (known bool, err error) {
	switch own := t.watches[t.place.node.Path]; {
	case slices.Contains(paths, t.place.node.Path):
		return false, t.place.deleted()
	case len(paths) == 0:
		return true, nil
	case on != t.on || own.Watch == nil || own.on != on || len(own.C) > 0: // the own node may have been deleted before them
		return false, nil
	}
	for i, path := range paths {
		paths[i] = base(path)
	}
	t.see(slices.DeleteFunc(t.ahead, func(n seqnode.Name) bool { return slices.Contains(paths, n.Full) }))
	if !slices.ContainsFunc(t.ahead, func(n seqnode.Name) bool { return !t.watched(t.path(n)) }) {
		return true, nil
	}
	t.all = t.total > listWorth*len(t.ahead)
	return t.all, nil
}

// see notes the nodes that may be left ahead.
func (t *turnWatcher) see(ahead []seqnode.Name) {
	t.ahead, t.rank = ahead, len(seqnode.Places(slices.Clone(ahead)))
}

// list takes ahead from a list that was asked for after the one with that number.
func (t *turnWatcher) list(ctx context.Context, after int) error {
	l, err := t.place.line.list(ctx, t.place, after)
	if err != nil {
		return t.place.unlisted(err)
	}
	return t.use(l)
}

// use takes ahead from a list. It returns ErrDeleted if the list does not have the own node.
func (t *turnWatcher) use(l *listed) error {
	ahead, listed := l.before(t.place.name())
	if !listed {
		return t.place.deleted()
	}
	t.see(ahead)
	t.on, t.total, t.all = l.on, l.total, false
	t.place.known.Store(int64(t.rank))
	return nil
}

// report publishes the nearest node ahead and the number of places ahead, and adds them to the span. It returns the node.
func (t *turnWatcher) report(ctx context.Context) (near string) {
	near = t.publish()
	telemetry.Rank(ctx, t.rank, near)
	return near
}

// publish publishes the nearest node ahead and the number of places ahead. It returns the node; "" if none is ahead.
func (t *turnWatcher) publish() (near string) {
	if n := len(t.ahead); n > 0 {
		near = t.path(t.ahead[n-1])
		t.place.reportWaiting(near, t.watches[near].id, t.rank)
	}
	return near
}

// path is where a node of the queue is.
func (t *turnWatcher) path(n seqnode.Name) string { return framework.Join(t.place.queue.Dir, n.Full) }

// watched reports whether a node is watched.
func (t *turnWatcher) watched(path string) bool { return t.watches[path].Watch != nil }

// channel returns the channel of a node's watch, nil if the node is not watched.
func (t *turnWatcher) channel(path string) <-chan framework.Event {
	if w := t.watches[path].Watch; w != nil {
		return w.C
	}
	return nil
}

// stop stops some of the watches.
func (t *turnWatcher) stop(which func(path string, w watched) bool) {
	maps.DeleteFunc(t.watches, func(path string, w watched) bool {
		drop := which(path, w)
		if drop {
			w.Stop()
		}
		return drop
	})
}

// stopAll stops all watches.
func (t *turnWatcher) stopAll() { t.stop(func(string, watched) bool { return true }) }

// takeOwn returns the watch of the own node, nil if there is none. stopAll does not stop it any more.
func (t *turnWatcher) takeOwn() *framework.Watch {
	own := t.watches[t.place.node.Path].Watch
	delete(t.watches, t.place.node.Path)
	return own
}
