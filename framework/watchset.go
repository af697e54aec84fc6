package framework

import (
	"context"
	"errors"
	"slices"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/seam"
)

// watchSet implements recipekit.WatchSet: one-shot watches on many nodes with one user. The table has one small entry
// for each path, without a channel.
type watchSet struct {
	s     *Session
	ready chan struct{} // holds a token when there is something to take

	// Guarded by the mutex of the table:
	closed bool
	notes  []seam.WatchNote
}

// watchBits are the watches of a set on one path.
type watchBits uint8

const (
	dataBit watchBits = 1 << iota
	existsBit
	childBit
)

// bitOf is the bit of each kind.
var bitOf = [...]watchBits{dataWatch: dataBit, existsWatch: existsBit, childWatch: childBit}

// setEntry is the watches of one set on one path.
type setEntry struct {
	set    *watchSet
	next   *setEntry // of another set, on the same path
	armed  watchBits // set on the server, or served by a recursive watch
	arming watchBits // being set by a pending request
}

// newWatchSet implements recipekit.NewWatchSet.
func (s *Session) newWatchSet() seam.WatchSet[Node] {
	return &watchSet{s: s, ready: make(chan struct{}, 1)}
}

// setEntry returns the entry of a set on a path. With create, it is created if needed. The mutex is held.
func (t *watches) setEntry(set *watchSet, at string, create bool) *setEntry {
	for m := t.sets[at]; m != nil; m = m.next {
		if m.set == set {
			return m
		}
	}
	if !create || t.ended != nil || set.closed {
		return nil
	}
	if t.sets == nil {
		t.sets = make(map[string]*setEntry)
	}
	m := &setEntry{set: set, next: t.liveSets(at)}
	t.sets[at] = m
	return m
}

// liveSets removes the entries on a path that watch nothing, or whose set is closed, and returns the others. The mutex
// is held.
func (t *watches) liveSets(at string) *setEntry {
	var live, last *setEntry
	for m := t.sets[at]; m != nil; m = m.next {
		switch {
		case m.set.closed || m.armed|m.arming == 0:
			continue
		case last == nil:
			live = m
		default:
			last.next = m
		}
		last = m
	}
	if last == nil {
		delete(t.sets, at)
		return nil
	}
	last.next = nil
	t.sets[at] = live
	return live
}

// fireSets delivers an event that ends watches of these kinds to all sets that watch a path. The mutex is held.
func (t *watches) fireSets(event EventType, at string, kinds ...watchKind) {
	m := t.sets[at]
	if m == nil {
		return
	}
	var bits watchBits
	for _, kind := range kinds {
		bits |= bitOf[kind]
	}
	for ; m != nil; m = m.next {
		if hit := (m.armed | m.arming) & bits; hit != 0 {
			m.armed &^= hit
			m.arming &^= hit
			m.set.push(event, at, hit)
		}
	}
	t.liveSets(at)
}

// push records an event. The mutex of the table is held.
func (w *watchSet) push(event EventType, at string, hit watchBits) {
	if w.closed {
		return
	}
	n := seam.WatchNote{Path: w.s.space.local(at), Gone: event == EventDeleted}
	if hit&^childBit != 0 {
		w.notes = append(w.notes, n)
	}
	if hit&childBit != 0 && !n.Gone { // the watch on the node delivers its deletion
		n.List = true
		w.notes = append(w.notes, n)
	}
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// Ready implements seam.WatchSet.
func (w *watchSet) Ready() <-chan struct{} { return w.ready }

// Take implements seam.WatchSet.
func (w *watchSet) Take() []seam.WatchNote {
	t := &w.s.e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	notes := w.notes
	w.notes = nil
	return notes
}

// Armed implements seam.WatchSet.
func (w *watchSet) Armed(path string, list bool) bool {
	at, err := w.s.space.resolve(path)
	if err != nil {
		return false
	}
	bits := dataBit | existsBit
	if list {
		bits = childBit
	}
	t := &w.s.e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.setEntry(w, at, false)
	return m != nil && m.armed&bits != 0
}

// Forget implements seam.WatchSet.
func (w *watchSet) Forget(path string) {
	at, err := w.s.space.resolve(path)
	if err != nil {
		return
	}
	t := &w.s.e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.setEntry(w, at, false); m != nil {
		m.armed &^= dataBit | existsBit
		t.liveSets(at)
	}
}

// Close implements seam.WatchSet. The watches stay on the server, and the entries in the table, until they fire.
func (w *watchSet) Close() {
	t := &w.s.e.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	w.closed, w.notes = true, nil
}

// Get implements seam.WatchSet.
func (w *watchSet) Get(ctx context.Context, path string) (Node, error) {
	return watchedRead(ctx, w, "watchData", path, watching[Node]{
		query: func(at string, watch bool) query[Node] { return getQuery(w.s.space, at, watch) },
	}, func(Node, error) watchBits { return dataBit })
}

// Exists implements seam.WatchSet.
func (w *watchSet) Exists(ctx context.Context, path string, awaited bool) (Node, error) {
	stat, err := watchedRead(ctx, w, "watchExists", path, watching[*Stat]{query: existsQuery}, func(s *Stat, err error) watchBits {
		switch {
		case err == nil:
			return dataBit
		case awaited:
			return existsBit
		}
		return 0
	})
	if err != nil {
		return Node{}, err
	}
	return Node{Path: path, Stat: *stat}, nil
}

// List implements seam.WatchSet.
func (w *watchSet) List(ctx context.Context, path string) ([]string, Node, error) {
	l, err := watchedRead(ctx, w, "watchChildren", path, watching[listing]{query: childrenQuery},
		func(listing, error) watchBits { return childBit })
	return l.names, Node{Path: path, Stat: l.stat}, err
}

// watchedRead reads and watches. bits returns the watches that a reply has set, which either has no error or says that
// the node does not exist.
func watchedRead[T any](ctx context.Context, w *watchSet, op, path string, how watching[T], bits func(T, error) watchBits) (value T, err error) {
	at, err := w.s.locate(op, path)
	if err != nil {
		return value, err
	}
	err = w.s.do(ctx, request{op: op, path: path, size: len(at), repeatable: true, try: func(ctx context.Context, e *epoch) error {
		served := e.watches.servedByTree(at)
		a := how.query(at, !served).call(ctx)
		a.Over = func(err error) {
			var set watchBits
			if err = callError(e.ctx, err); err == nil || op == "watchExists" && errors.Is(err, ErrNoNode) {
				set = bits(a.answer, err)
			}
			if e.watches.setArmed(w, at, set, served) {
				e.repair(at)
			}
		}
		if err := e.send(ctx, &a.Call); err != nil {
			return err
		}
		value, err = a.wait(ctx, e)
		return err
	}})
	return value, err
}

// servedByTree reports whether a recursive watch serves the one-shot watches on a path.
func (t *watches) servedByTree(at string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trees[at] != nil
}

// setArmed records that a read has set watches, or was served by a recursive watch. It runs in the receiving goroutine,
// after the events that came before the reply and before those that come after it. It reports whether a recursive watch
// was set meanwhile, which these have replaced.
func (t *watches) setArmed(set *watchSet, at string, bits watchBits, served bool) (beside bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.setEntry(set, at, bits != 0)
	if m == nil || bits == 0 {
		return false
	}
	m.armed |= bits
	tree := t.trees[at] != nil
	if served && !tree { // nothing serves them any more
		t.surrender(at)
	}
	return !served && tree
}

// Size implements seam.WatchSet. It is 0 for servers that lack one of the two requests.
func (w *watchSet) Size() int {
	if !w.s.core.can.has(capSetWatches) {
		return 0
	}
	return w.s.multiReadSize()
}

// bulk is a MultiRead with a setWatches right behind it, which says that everything that was read is known up to a
// transaction before both. So the server sets a watch on each node and each list, or sends an event for what has
// changed since.
type bulk struct {
	set     *watchSet
	paths   []string // in the servers' form
	served  []string // those served by recursive watches: a one-shot watch would end them on servers before 3.9 (ZOOKEEPER-4466)
	zxid    int64
	reached int64
}

// errNotArmed means that a server has not set all watches of a setWatches.
var errNotArmed = &finalAnswer{errors.New("the server does not set the watches")}

// Read implements seam.WatchSet.
func (w *watchSet) Read(ctx context.Context, reads []seam.Read) (answers []seam.ReadAnswer[Node], err error) {
	ops, size, err := w.s.readOps(reads)
	if err != nil {
		return nil, err
	}
	b := &bulk{set: w, paths: make([]string, 0, len(reads))}
	for _, op := range ops {
		if op.Type == jute.OpGetData {
			b.paths = append(b.paths, pathOf(op))
		}
	}
	err = w.s.do(ctx, request{op: "multiRead", path: reads[0].Path, size: size, repeatable: true, try: func(ctx context.Context, e *epoch) error {
		if lack := errors.Join(e.core.can.lack(capMultiRead), e.core.can.lack(capSetWatches)); lack != nil {
			return lack
		}
		results, err := b.try(ctx, e, multiReadQuery(ops, e.core.can.kind(capMultiRead)))
		if err == nil {
			answers = w.s.readAnswers(ops, results)
		}
		return err
	}})
	return answers, err
}

// try sends both requests.
func (b *bulk) try(ctx context.Context, e *epoch, q query[[]jute.ReadResult]) ([]jute.ReadResult, error) {
	b.zxid, b.reached = e.newest(), 0
	free := b.begin(&e.watches)
	body := &jute.SetWatchesRequest{RelativeZxid: b.zxid, Data: free, Exist: []string{}, Child: free}
	reads := q.call(ctx)
	watches := query[struct{}]{op: jute.OpSetWatches, at: q.at, body: body, kind: e.core.can.kind(capSetWatches)}.call(ctx)
	watches.Answered = func(zxid int64, _ int32) { b.reached = zxid }
	watches.Over = func(err error) { b.over(e, err) }
	if err := e.send(ctx, &reads.Call, &watches.Call); err != nil {
		b.end(&e.watches, false)
		return nil, err
	}
	results, err := reads.wait(ctx, e)
	_, errWatches := watches.wait(ctx, e)
	switch {
	case err != nil:
		return nil, err
	case errWatches != nil:
		return nil, errWatches
	case b.reached < b.zxid:
		return nil, errNotArmed
	}
	return results, nil
}

// begin starts listening for events of all paths, and returns those on which watches are to be set.
func (b *bulk) begin(t *watches) (free []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	free, b.served = make([]string, 0, len(b.paths)), nil
	for _, at := range b.paths {
		if m := t.setEntry(b.set, at, true); m != nil {
			m.arming |= dataBit | childBit
		}
		if t.trees[at] == nil {
			free = append(free, at)
		} else {
			b.served = append(b.served, at)
		}
	}
	return free
}

// over handles the reply to the setWatches. It runs in the receiving goroutine if there is one.
func (b *bulk) over(e *epoch, err error) {
	for _, at := range b.end(&e.watches, err == nil && b.reached >= b.zxid) {
		e.repair(at)
	}
}

// end records which watches are set: those without an event since begin. It returns the paths on which a recursive
// watch was set meanwhile, which these may have replaced.
func (b *bulk) end(t *watches, set bool) (beside []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, at := range b.paths {
		m := t.setEntry(b.set, at, false)
		if m == nil {
			continue
		}
		bits := m.arming & (dataBit | childBit)
		m.arming &^= bits
		if set {
			m.armed |= bits
		}
		served := slices.Contains(b.served, at)
		switch tree := t.trees[at] != nil; {
		case set && served && !tree:
			t.surrender(at)
		case set && tree && !served:
			beside = append(beside, at)
		case m.armed|m.arming == 0:
			t.liveSets(at)
		}
	}
	return beside
}
