package cache

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/docent-zk/docent/framework"
)

// handle is what all kinds of caches have in common.
type handle struct{ m *mirror }

// nodes is what caches of several nodes have in common.
type nodes struct{ handle }

// Tree is a mirror of a node and everything below it. It is safe for concurrent use.
type Tree struct{ nodes }

// Open mirrors the node at root and everything below it. It returns when everything has been read; ctx bounds only
// that. If the root does not exist, the cache is empty until it is created.
//
// Open returns an error for an invalid path or option; the cause of ctx, with framework.ErrNotConnected if there was no
// connection; framework.ErrClosed; and what the servers refuse at the root (framework.ErrNoAuth, ErrReplyRefused). What
// they refuse elsewhere, or later, does not end the cache: see Refused.
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

// Root returns the path of the cache's root.
func (n nodes) Root() string { return n.m.spec.root }

// Snapshot returns the current contents, fresh or stale.
func (n nodes) Snapshot() Snapshot { return Snapshot{n.m.view(), n.m} }

// Fresh returns the current contents, or [ErrStale] while the cache is stale.
func (n nodes) Fresh() (Snapshot, error) {
	v := n.m.view()
	if since := n.m.staleSince(v); !since.IsZero() {
		return Snapshot{}, fmt.Errorf("%s %s: %w since %v", n.m.spec.name, n.m.spec.root, ErrStale, since.Round(0))
	}
	return Snapshot{v, n.m}, nil
}

// Get returns a node in the current Snapshot.
func (n nodes) Get(path string) (framework.Node, bool) { return n.Snapshot().Get(path) }

// Len returns the number of nodes in the current Snapshot.
func (n nodes) Len() int { return n.Snapshot().Len() }

// All iterates over the nodes in the current Snapshot.
func (n nodes) All() iter.Seq2[string, framework.Node] { return n.Snapshot().All() }

// Refused iterates over the refusals in the current Snapshot.
func (n nodes) Refused() iter.Seq2[string, error] { return n.Snapshot().Refused() }

// Children iterates over the children of a node in the current Snapshot.
func (t *Tree) Children(path string) iter.Seq2[string, framework.Node] {
	return t.Snapshot().Children(path)
}

// Synced returns a channel that is closed when everything has been read for the first time.
func (h handle) Synced() <-chan struct{} { return h.m.full }

// StaleSince returns since when the cache is stale; zero while it is fresh. Before Synced, it is when the cache was
// opened.
func (h handle) StaleSince() time.Time { return h.m.staleSince(h.m.view()) }

// WaitFresh waits until the cache is fresh. If ctx ends first, it returns the cause of ctx with [ErrStale]. If the
// cache ends, it returns [ErrCacheClosed] or framework.ErrClosed.
func (h handle) WaitFresh(ctx context.Context) error { return h.m.waitFresh(ctx) }

// Sync waits until every change that was committed before the call is in the cache. It needs a connection: see the
// errors of framework.Client's Sync. It returns [ErrCacheClosed] when the cache is closed.
func (h handle) Sync(ctx context.Context) error { return h.m.wait(ctx, false) }

// Refresh reads everything again, with all data and all lists of children, and returns when that is in the cache. Use
// it only if the servers or the network may have lost something. It costs as many requests as the initial load. Calls
// during a Refresh share the next one. Errors, and what ctx ends, are those of Sync.
func (h handle) Refresh(ctx context.Context) error { return h.m.wait(ctx, true) }

// Policy returns how the cache responds to SUSPENDED and LOST.
func (h handle) Policy() framework.Policy { return caching }

// Done returns a channel that is closed when the cache has ended: after Close, or when the client was closed.
func (h handle) Done() <-chan struct{} { return h.m.done }

// Err returns why the cache has ended, [ErrCacheClosed] or framework.ErrClosed, or nil while it has not.
func (n nodes) Err() error { return n.m.ended() }

// Close ends the cache and waits for it. Channels of Events are closed. The contents can still be read, and are stale.
// Close may be called more than once. It always returns nil.
func (h handle) Close() error { return h.m.close() }
