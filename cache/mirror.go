package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/telemetry"
)

// Errors of this package, besides those of package framework.
var (
	// ErrStale means that the connection broke, so the contents of the cache may be old.
	ErrStale = errors.New("the cache is stale")
	// ErrCacheClosed means that the cache was closed.
	ErrCacheClosed = errors.New("the cache is closed")
	// ErrEmpty means that a Value's node has no data, or that its data is null.
	ErrEmpty = errors.New("there is no value in the data")
	// ErrNotGzip means that the data of a node cannot be decompressed.
	ErrNotGzip = errors.New("the data is not gzip")
)

// caching is the policy of every cache.
var caching = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild, OnReadOnly: framework.Serve}

// mirror is the part that all caches share: a copy of a part of the tree, kept up to date across sessions.
type mirror struct {
	cli   *framework.Client
	spec  spec
	board board[view]
	runs  atomic.Pointer[framework.Session] // the latest session, for reports
	user  user

	listed   *telemetry.Cache
	progress *telemetry.Sync // progress towards freshness in this session; used by the recipe

	life context.Context // ends on close
	end  context.CancelCauseFunc
	done chan struct{} // closed when all goroutines have ended
	poke chan struct{} // holds a token when the connection has changed or a caller waits
	full chan struct{} // closed when the cache is complete for the first time
	err  error         // set before done is closed

	tree      *entry           // what is known
	public    *entry           // what the next publication shows: the same as tree, except for held nodes
	edition   edition          // of both trees, while no node is held
	held      map[string]*held // nodes whose former state is shown, by path
	anew      bool             // the former tree is shown until the new one is complete
	otherData bool             // the servers' data was replaced since then

	minority bool // some of it was read from a read-only server

	complete int64               // all changes up to this transaction are in the mirror; 0 if not known
	newest   int64               // the newest transaction that was seen
	suspects map[string]struct{} // nodes whose children may be missing, from the last pass
	guess    int                 // expected size of a node that has not been read, in bytes

	comparedTo int64     // all changes up to this transaction were read, independently of events
	checkDue   time.Time // when the next comparison is due; zero if none is planned
	newSession bool      // no pass has run in it yet
	checked    int       // number of planned comparisons

	mu      sync.Mutex
	callers []caller // waiting calls
}

// user is the cache that a mirror belongs to.
type user interface {
	// shown is called after every change of a node, by the mirror's goroutine. It returns soon after ctx has ended.
	shown(ctx context.Context, m *mirror, v *view)
	// problem returns why the cache cannot use the nodes as they are, or nil. It does not wait.
	problem() error
}

// plain is the user of a cache that returns nodes unchanged.
type plain struct{}

func (plain) shown(context.Context, *mirror, *view) {}

func (plain) problem() error { return nil }

// open starts a mirror, and waits until it is complete unless the options say otherwise.
func open(ctx context.Context, cli *framework.Client, s spec, u user) (*mirror, error) {
	if err := errors.Join(s.validate(), recipekit.Usable(cli)); err != nil {
		return nil, fmt.Errorf("%s %s: %w", s.name, s.root, err)
	}
	s.root = framework.Join("/", s.root)
	m := &mirror{
		cli: cli, spec: s, user: u, done: make(chan struct{}), poke: make(chan struct{}, 1), full: make(chan struct{}),
		suspects: make(map[string]struct{}), held: make(map[string]*held),
		guess: firstGuess, edition: 1,
	}
	m.spec.filter = m.lenient(s.filter)
	m.board.latest.Store(&view{since: time.Now()})
	m.listed = recipekit.Telemetry(cli).Cache(s.name, s.root, m.snapshot)
	m.life, m.end = context.WithCancelCause(context.Background())
	go m.run()
	if s.noWait {
		return m, nil
	}
	if err := m.loaded(ctx); err != nil {
		m.close()
		return nil, fmt.Errorf("%s %s: %w", s.name, s.root, err)
	}
	return m, nil
}

// maxFailed bounds the number of paths for which a panic of the filter is remembered.
const maxFailed = 1000

// lenient returns a filter that leaves a node as it is if keep panics for it, and does not call keep for it again. Only
// the mirror's goroutine uses it.
func (m *mirror) lenient(keep func(path string) bool) func(path string) bool {
	failed := make(map[string]struct{})
	return func(path string) (kept bool) {
		if _, known := failed[path]; known {
			return m.find(path) != nil
		}
		err := m.cli.Guard("filter", path, func() error {
			kept = keep(path)
			return nil
		})
		if err == nil {
			return kept
		}
		if len(failed) >= maxFailed {
			clear(failed)
		}
		failed[path] = struct{}{}
		return m.find(path) != nil
	}
}

// loaded waits for the first complete state. It returns an error if the root is refused.
func (m *mirror) loaded(ctx context.Context) error {
	if err := m.waitFull(ctx); err != nil {
		return err
	}
	if r := m.view().refused.get(m.spec.root); r != nil {
		return r.err
	}
	return nil
}

func (m *mirror) waitFull(ctx context.Context) error {
	select {
	case <-m.full:
		return nil
	default:
	}
	select {
	case <-m.full:
		return nil
	case <-m.done:
		return m.err
	case <-ctx.Done():
	}
	err := fmt.Errorf("not read to the end: %w", framework.ContextError(ctx))
	if !m.cli.State().State.Connected() {
		err = fmt.Errorf("%w: %w", framework.ErrNotConnected, err)
	}
	return err
}

// run is the mirror's goroutine. The client's Close waits for it.
func (m *mirror) run() {
	defer close(m.done)
	var watcher sync.WaitGroup
	watcher.Go(m.watchLink)
	err := m.cli.Run(m.life, framework.Recipe{
		Name: m.spec.listedAs(), Path: m.spec.root, Policy: caching, Attrs: m.attrs(), Run: m.told,
	})
	if m.life.Err() != nil && !errors.Is(err, framework.ErrClosed) {
		err = fmt.Errorf("%s %s: %w", m.spec.name, m.spec.root, ErrCacheClosed)
	}
	m.err = err
	m.end(err)
	watcher.Wait()
	m.stale(time.Now())
	m.board.close()
	m.listed.End()
}

// snapshot returns the values for metrics. It does not wait.
func (m *mirror) snapshot() telemetry.Contents {
	v := m.view()
	c := telemetry.Contents{Nodes: v.root.count(), Rejected: v.refused.count(), StaleSince: m.staleSince(v)}
	if c.Rejected == 0 && m.user.problem() != nil {
		c.Rejected = 1
	}
	return c
}

// told is session with a report of its progress to telemetry.
func (m *mirror) told(ctx context.Context, s *framework.Session) error {
	ctx, m.progress = m.listed.Sync(ctx)
	err := m.session(ctx, s)
	m.progress.Broken(err)
	return err
}

// watchLink follows the state of the connection.
func (m *mirror) watchLink() {
	for change := range m.cli.States(m.life) {
		if change.State.Connected() {
			m.nudge()
		} else {
			m.stale(change.Time)
		}
	}
}

func (m *mirror) nudge() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

func (m *mirror) close() error {
	m.end(ErrCacheClosed)
	<-m.done
	return nil
}

func (m *mirror) view() *view { return m.board.latest.Load() }

// find returns what is known about the node at an absolute path, or nil.
func (m *mirror) find(path string) *entry {
	if !m.spec.covers(path) {
		return nil
	}
	return m.tree.find(m.spec.relative(path))
}

// stale shows that the connection broke. This may be noticed only when the next connection has been caught up with.
func (m *mirror) stale(since time.Time) {
	m.board.show(func(old *view) *view {
		if !old.fresh() || since.Before(old.link) {
			return old
		}
		v := *old
		v.link, v.since = time.Time{}, since
		m.report(&v)
		return &v
	})
}

// freshen shows that the mirror has caught up with the connection that began at link.
func (m *mirror) freshen(link time.Time) {
	m.board.show(func(old *view) *view {
		state := m.cli.State()
		if state.State == framework.ReadOnly && !old.synced { // the contents are complete, but their age is not known
			v := *old
			v.synced = true
			m.report(&v)
			return &v
		}
		if old.link.Equal(link) || !state.State.Connected() || !state.Time.Equal(link) {
			return old
		}
		v := *old
		v.link, v.since, v.synced = link, time.Time{}, true
		m.report(&v)
		return &v
	})
	if m.view().synced {
		select {
		case <-m.full:
		default:
			close(m.full)
		}
	}
}

// staleSince returns since when the view is stale; zero if it is fresh.
func (m *mirror) staleSince(v *view) time.Time {
	state := m.cli.State()
	switch {
	case !v.fresh():
		return v.since
	case state.State.Connected() && state.Time.Equal(v.link):
		return time.Time{}
	}
	return state.Time
}

// waitFresh waits until the mirror is fresh.
func (m *mirror) waitFresh(ctx context.Context) error {
	if m.board.until(ctx, func(v *view) bool { return m.staleSince(v).IsZero() }) {
		return nil
	}
	if ctx.Err() == nil {
		<-m.done
		return m.err
	}
	return fmt.Errorf("%s %s: %w since %v: %w", m.spec.name, m.spec.root, ErrStale, m.staleSince(m.view()).Round(0), framework.ContextError(ctx))
}

// ended returns why the mirror has ended, or nil.
func (m *mirror) ended() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}
