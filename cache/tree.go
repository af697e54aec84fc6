package cache

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/docent-zk/docent/framework"
)

// handle is what caches of all kinds have in common.
type handle struct{ m *mirror }

// nodes is what caches of several nodes have in common.
type nodes struct{ handle }

// Tree is a mirror of a node and everything below it. It is safe for use by many goroutines.
type Tree struct{ nodes }

// Open mirrors the node at root and everything below it, and returns when all has been read. ctx bounds only that. The root
// need not exist: it is waited for.
//
// Errors: those of an invalid path or option; the cause of ctx, with framework.ErrNotConnected if that is why it took so long;
// framework.ErrClosed; what the servers refuse at the root (framework.ErrNoAuth, ErrReplyRefused). What they refuse elsewhere, or
// later, is no end: see Refused.
func Open(ctx context.Context, cli *framework.Client, root string, opts ...TreeOption) (*Tree, error) {
	s := newSpec("tree cache", root, everyLevel)
	for _, o := range opts {
		o.applyTree(&s)
	}
	m, err := open(ctx, cli, s, plain{})
	if err != nil {
		return nil, err
	}
	return &Tree{nodes{handle{m}}}, nil
}

// Root is the path of the cache's root.
func (n nodes) Root() string { return n.m.spec.root }

// Snapshot returns what the cache holds now, stale or not.
func (n nodes) Snapshot() Snapshot { return Snapshot{n.m.view(), n.m} }

// Fresh returns what the cache holds, or [ErrStale] while it is stale.
func (n nodes) Fresh() (Snapshot, error) {
	v := n.m.view()
	if since := n.m.staleSince(v); !since.IsZero() {
		return Snapshot{}, fmt.Errorf("%s %s: %w since %v", n.m.spec.name, n.m.spec.root, ErrStale, since.Round(0))
	}
	return Snapshot{v, n.m}, nil
}

// Get returns a node of the present Snapshot.
func (n nodes) Get(path string) (framework.Node, bool) { return n.Snapshot().Get(path) }

// Len is the number of nodes of the present Snapshot.
func (n nodes) Len() int { return n.Snapshot().Len() }

// All gives the nodes of the present Snapshot.
func (n nodes) All() iter.Seq2[string, framework.Node] { return n.Snapshot().All() }

// Refused gives what is refused in the present Snapshot.
func (n nodes) Refused() iter.Seq2[string, error] { return n.Snapshot().Refused() }

// Children gives the children of a node of the present Snapshot.
func (t *Tree) Children(path string) iter.Seq2[string, framework.Node] {
	return t.Snapshot().Children(path)
}

// Synced is closed when everything that there was has been read for the first time.
func (h handle) Synced() <-chan struct{} { return h.m.full }

// StaleSince is since when the cache has been stale; zero while it is fresh. Before Synced it is when the cache was opened.
func (h handle) StaleSince() time.Time { return h.m.staleSince(h.m.view()) }

// WaitFresh waits until the cache is fresh. It returns the cause of ctx when that ends first, with [ErrStale], and
// [ErrCacheClosed] or framework.ErrClosed when the cache has ended.
func (h handle) WaitFresh(ctx context.Context) error { return h.m.waitFresh(ctx) }

// Sync waits until every change that was committed before the call is in the cache. It needs a connection: see the errors of
// framework.Client's Sync. It returns [ErrCacheClosed] when the cache is closed.
func (h handle) Sync(ctx context.Context) error { return h.m.wait(ctx, false) }

// Refresh reads everything again, with all data and all lists of children, and returns when that is in the cache. It is for those
// who have reason to think that the servers or the network have lost something: nothing else needs it. It costs as many requests as
// the initial load. Calls that come while one is at work share the next one. Errors and what ctx ends are those of Sync.
func (h handle) Refresh(ctx context.Context) error { return h.m.wait(ctx, true) }

// Policy is how the cache answers SUSPENDED and LOST.
func (h handle) Policy() framework.Policy { return caching }

// Done is closed when the cache has ended: after Close, or when the client was closed.
func (h handle) Done() <-chan struct{} { return h.m.done }

// Err says why the cache has ended, with [ErrCacheClosed] or framework.ErrClosed, and is nil until then.
func (n nodes) Err() error { return n.m.ended() }

// Close ends the cache and waits for it; channels of Events are closed. What it held can still be read, and is stale. Close
// may be called repeatedly. It always returns nil.
func (h handle) Close() error { return h.m.close() }
