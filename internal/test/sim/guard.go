package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// guard is a node that only holders write, by guarded transactions, with their token. The servers must apply the writes in the
// order of the tokens, each while the writer's node exists, and exactly as often as the writers were told.
type guard struct {
	path   string
	ledger *Ledger

	mu       sync.Mutex
	newest   int64
	writes   int // applied, as the servers know
	told     int // applied, as the writers were told
	unsure   int // the writers do not know
	failures []error
}

func newGuard(b *base, l *Ledger) (*guard, error) {
	g := &guard{path: rootPath + "/guard" + strings.ReplaceAll(strings.TrimPrefix(l.dir, rootPath), "/", "-"), ledger: l}
	if _, err := b.w.Server.Create(g.path, nil, zktest.Persistent); err != nil {
		return nil, err
	}
	b.w.Log.observe(g.look)
	return g, nil
}

// look judges a write that the server has applied.
func (g *guard) look(c zktest.Change) {
	if c.Path != g.path || c.Event != zktest.EventDataChanged {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writes++
	var kind, node string
	var token int64
	if _, err := fmt.Sscan(string(c.Data), &kind, &token, &node); err != nil {
		g.failures = append(g.failures, fmt.Errorf("%s: %q: %w", g.path, c.Data, err))
	}
	if g.ledger.log.alive[node] == nil {
		g.failures = append(g.failures, fmt.Errorf("%s: the holder of %s wrote when that was gone", g.path, node))
	}
	if kind != "alone" {
		return
	}
	if token < g.newest {
		g.failures = append(g.failures, fmt.Errorf("%s: the holder of token %#x wrote after that of %#x", g.path, token, g.newest))
	}
	g.newest = token
}

// write makes a guarded write and notes what it was told.
func (g *guard) write(u *user, grip *grip) {
	ctx, cancel := context.WithTimeout(u.ctx, 2*u.Timeout)
	defer cancel()
	kind := "alone"
	if grip.reads || grip.permits > 0 {
		kind = "shared"
	}
	err := grip.set(ctx, u.own(g.path), fmt.Appendf(nil, "%s %d %s", kind, grip.tokens[0], u.abroad(grip.paths[0])))
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err == nil:
		g.told++
	case errors.Is(err, framework.ErrOutcomeUnknown):
		g.unsure++
	case errors.Is(err, lock.ErrNotHeld), errors.Is(err, framework.ErrNotConnected), ctx.Err() != nil: // nothing was applied
	default:
		g.failures = append(g.failures, fmt.Errorf("%s: %w", u.name, err))
	}
}

// judge returns everything that must not be.
func (g *guard) judge() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	errs := append([]error(nil), g.failures...)
	if g.writes < g.told || g.writes > g.told+g.unsure {
		errs = append(errs, fmt.Errorf("%s was written %d times; the writers know of %d and are not sure of %d",
			g.path, g.writes, g.told, g.unsure))
	}
	return errors.Join(errs...)
}
