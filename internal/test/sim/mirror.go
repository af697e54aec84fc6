package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// mirrored is what a Tree and Children have in common.
type mirrored interface {
	Snapshot() cache.Snapshot
	Fresh() (cache.Snapshot, error)
	WaitFresh(ctx context.Context) error
	Sync(ctx context.Context) error
	Refresh(ctx context.Context) error
	Events(ctx context.Context) <-chan cache.Event
	StaleSince() time.Time
	Close() error
}

// mirror is a cache of a tree or of a directory, opened and closed again and again.
type mirror struct {
	*user
	part  *cachePart
	root  string // on the server
	depth int    // -1 for all
	keep  func(path string) bool
	stats bool // no data
	open  func(ctx context.Context) (mirrored, error)

	seen map[string]int64 // mzxid that its reader saw last, by path

	mu     sync.Mutex
	tree   mirrored
	copies []*copying // of this tree
	errs   []error
}

func (c *cachePart) newMirror(u *user) *mirror {
	m := &mirror{user: u, part: c, root: c.path, depth: -1, keep: func(string) bool { return true }}
	if oneIn(u.r, 3) {
		m.root += "/a"
	}
	nodes, both := m.options()
	if u.wants("Depth") || !u.wants("Tree") && u.oneOf("Tree", "Children") == "Children" {
		m.children(nodes, both)
	}
	if m.open == nil {
		m.treeOf(nodes, both)
	}
	m.name += fmt.Sprintf(" (%s, depth %d)", m.root, m.depth)
	return m
}

// children has the mirror be one of a directory, unless the play is about the depth of a tree.
func (m *mirror) children(nodes []cache.NodesOption, both []cache.Option) {
	if m.wants("Depth") {
		return
	}
	var opts []cache.ChildrenOption
	for _, o := range nodes {
		opts = append(opts, o)
	}
	for _, o := range both {
		opts = append(opts, o)
	}
	m.depth = 1
	m.open = func(ctx context.Context) (mirrored, error) {
		t, err := cache.OpenChildren(ctx, m.cli, m.own(m.root), opts...)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
}

func (m *mirror) treeOf(nodes []cache.NodesOption, both []cache.Option) {
	var opts []cache.TreeOption
	for _, o := range nodes {
		opts = append(opts, o)
	}
	for _, o := range both {
		opts = append(opts, o)
	}
	if m.may("Depth", 4) {
		m.depth = m.r.IntN(3)
		opts = append(opts, cache.Depth(m.depth))
	}
	m.open = func(ctx context.Context) (mirrored, error) {
		t, err := cache.Open(ctx, m.cli, m.own(m.root), opts...)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
}

// options draws the options of both kinds.
func (m *mirror) options() (nodes []cache.NodesOption, both []cache.Option) {
	if m.may("OneShot", 2) {
		nodes = append(nodes, cache.OneShot())
	}
	if m.may("Filter", 4) {
		m.keep = func(path string) bool { return !strings.HasSuffix(path, "/b") }
		nodes = append(nodes, cache.Filter(m.keep))
	}
	if m.may("Parallel", 4) {
		nodes = append(nodes, cache.Parallel(1+m.r.IntN(4)))
	}
	if m.may("QueueBound", 3) {
		nodes = append(nodes, cache.QueueBound(1+m.r.IntN(4)))
	}
	if m.stats = m.may("StatsOnly", 6); m.stats {
		nodes = append(nodes, cache.StatsOnly())
	}
	if m.part.packed {
		m.plays("Gunzip")
		both = append(both, cache.Gunzip())
	}
	if m.may("NoWait", 3) {
		both = append(both, cache.NoWait())
	}
	if m.may("ListedAs", 8) {
		both = append(both, cache.ListedAs("mirror"))
	}
	return nodes, both
}

// work opens the cache, reads it, and now and then closes it and begins again. It stays open once there is calm.
func (m *mirror) work() {
	defer m.shut()
	m.during(func() {
		ctx, cancel := m.bounded()
		defer cancel()
		if !m.opened(ctx) {
			return
		}
		for range 1 + m.r.IntN(12) {
			m.read(ctx)
			m.pause(m.ctx, m.upTo(m.Timeout/2))
		}
		if !m.isCalm() && m.may("Close", 3) {
			m.shut()
		}
	})
	if m.opened(m.ctx) {
		if err := m.current().WaitFresh(m.ctx); err != nil {
			m.say("WaitFresh, although all is calm: %w", err)
		}
	}
	<-m.ctx.Done()
}

func (m *mirror) current() mirrored {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tree
}

// opened opens the cache if it is not open, with one or two listeners.
func (m *mirror) opened(ctx context.Context) bool {
	if m.current() != nil {
		return true
	}
	t, err := m.open(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.say("open: %w", err)
		}
		m.pause(m.ctx, 10*time.Millisecond+m.upTo(m.Timeout/4))
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tree, m.copies, m.seen = t, nil, make(map[string]int64)
	for i := range 1 + m.r.IntN(2) {
		c := &copying{user: m.part.newUser(m.client, m.cli, fmt.Sprint("listener ", i)), mirror: m, nodes: make(map[string]framework.Node), seen: make(map[string]int64)}
		c.slow = c.may("slow listener", 3)
		m.copies = append(m.copies, c)
		events := t.Events(m.late)
		m.tail.Go(func() { c.work(events) })
	}
	return true
}

func (m *mirror) shut() {
	m.mu.Lock()
	t := m.tree
	m.tree = nil
	m.mu.Unlock()
	if t != nil {
		_ = t.Close()
	}
}

// read looks at the cache in one of several ways.
func (m *mirror) read(ctx context.Context) {
	t := m.current()
	began := m.part.connection(m.user)
	switch m.oneOf("Sync", "Refresh", "WaitFresh", "") {
	case "Sync":
		began = m.part.hist.now()
		if t.Sync(ctx) == nil {
			m.mustHave("Sync", t.Snapshot(), began)
		}
	case "Refresh":
		began = m.part.hist.now()
		if t.Refresh(ctx) == nil {
			m.mustHave("Refresh", t.Snapshot(), began)
		}
	case "WaitFresh":
		if t.WaitFresh(ctx) == nil {
			m.mustHave("WaitFresh", t.Snapshot(), m.part.connection(m.user))
		}
	default:
		away := m.away()
		if s, err := t.Fresh(); err == nil {
			m.mustHave("Fresh", s, began)
			if away && m.away() {
				m.say("is fresh, and its client is %v", m.cli.State().State)
			}
		}
	}
	m.mustHaveBeen(t.Snapshot())
}

// within reports whether a node of the server's is in the cache.
func (m *mirror) within(path string) bool {
	below, ok := strings.CutPrefix(path, m.root)
	if !ok || below != "" && below[0] != '/' || m.depth >= 0 && strings.Count(below, "/") > m.depth {
		return false
	}
	at := m.root
	for _, name := range strings.Split(below, "/")[1:] {
		if at += "/" + name; !m.keep(at) {
			return false
		}
	}
	return true
}

// mustHaveBeen checks that all nodes of a snapshot once were so, with their parents there, and that none goes back.
func (m *mirror) mustHaveBeen(s cache.Snapshot) {
	there := make(map[string]bool)
	for path, n := range s.All() {
		server := m.abroad(path)
		there[server] = true
		m.mustBeTrue("has", n)
		if n.Stat.Mzxid < m.seen[server] {
			m.say("%s as of %#x behind %#x", server, n.Stat.Mzxid, m.seen[server])
		}
		m.seen[server] = n.Stat.Mzxid
	}
	for path := range there {
		if up := path[:strings.LastIndexByte(path, '/')]; path != m.root && !there[up] {
			m.say("has %s without its parent", path)
		}
	}
	for path, zxid := range m.seen {
		if up := path[:strings.LastIndexByte(path, '/')]; !there[path] && (path == m.root || there[up]) && !m.part.hist.goneSince(path, zxid) {
			m.say("has lost %s, as of %#x, which was never gone: %v", path, zxid, m.part.hist.states(path))
		}
	}
}

// mustBeTrue checks that a node is within the cache, and once was so.
func (m *mirror) mustBeTrue(what string, n framework.Node) {
	path := m.abroad(n.Path)
	s, ok := m.part.hist.find(path, n.Stat.Mzxid)
	data := s.data
	switch {
	case m.stats:
		data = ""
	case m.part.packed:
		data = unpacked(data)
	}
	if !ok || !m.within(path) || s.czxid != n.Stat.Czxid || data != string(n.Data) {
		m.say("%s %s, %q as of %#x, created by %#x, and it was %v", what, path, n.Data, n.Stat.Mzxid, n.Stat.Czxid, s)
	}
}

// mustHave checks that a snapshot has everything from before a transaction. Events that never come are noticed later.
func (m *mirror) mustHave(what string, s cache.Snapshot, zxid int64) {
	if m.missesEvents() {
		return
	}
	for _, path := range m.part.hist.paths() {
		if !m.within(path) {
			continue
		}
		n, ok := s.Get(m.inside(path))
		if !m.part.hist.wasSince(path, n.Stat.Mzxid, ok, zxid) {
			m.say("%s: %s is as of %#x (%v), although there was %#x: %v", what, path, n.Stat.Mzxid, ok, zxid, m.part.hist.states(path))
		}
	}
}

// inside is a path of the server's as the cache names it.
func (m *mirror) inside(path string) string { return m.Roots[m.client].inside(path) }

// mustEqual: the cache is fresh, and equals the server's tree; and so do the copies made of its events.
func (m *mirror) mustEqual() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tree == nil {
		m.say("is not open although all is calm")
		return
	}
	s, err := m.tree.Fresh()
	if err != nil {
		m.say("is not fresh although all is calm: %w", err)
		return
	}
	want := make(map[string]int64)
	for path, st := range m.part.hist.present() {
		if m.within(path) {
			want[path] = st.from
		}
	}
	got := make(map[string]int64)
	for path, n := range s.All() {
		got[m.abroad(path)] = n.Stat.Mzxid
	}
	if diff := difference(want, got); diff != "" {
		m.say("is not as the server: %s", diff)
	}
	for _, c := range m.copies {
		if !c.isFresh() {
			c.say("was not told that the cache is fresh")
		}
		if diff := difference(got, c.all()); diff != "" {
			m.say("what %s has is not as the cache: %s", c.name, diff)
		}
	}
}

// difference says where two trees differ, empty if nowhere.
func difference(want, got map[string]int64) string {
	var b strings.Builder
	for path, zxid := range want {
		if got[path] != zxid {
			fmt.Fprintf(&b, "%s as of %#x in place of %#x; ", path, got[path], zxid)
		}
	}
	for path, zxid := range got {
		if _, ok := want[path]; !ok {
			fmt.Fprintf(&b, "%s as of %#x is too much; ", path, zxid)
		}
	}
	return b.String()
}

func (m *mirror) judge() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.errs...)
}
