package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/guard"
)

// maxCalls bounds the calls of a codec that have not returned, each of which occupies a goroutine.
const maxCalls = 8

// state identifies a state of a node. The zero state is unknown.
type state struct {
	known  bool
	absent bool
	era    uint64
	czxid  int64
	mzxid  int64
}

// stateOf returns the state of a Value's node in a view.
func stateOf(seen *view) state {
	if seen.root == nil {
		return state{known: true, absent: true, era: seen.era}
	}
	stat := seen.root.node.Stat
	return state{known: true, era: seen.era, czxid: stat.Czxid, mzxid: stat.Mzxid}
}

// shown handles a change of the node. No lock is held while the codec runs.
func (v *Value[T]) shown(ctx context.Context, m *mirror, seen *view) {
	var refused *refusal
	seen.refused.each(func(_ string, r *refusal) bool {
		refused = r
		return true
	})
	at := stateOf(seen)
	switch {
	case refused != nil:
		v.refuse(m, refused.err)
	case !v.enter(at): // only the Stat or the freshness has changed
	case at.absent:
		v.settle(m, at, true, v.missing)
	default:
		v.take(ctx, m, at, seen.root.node)
	}
}

// enter records the node's current state. It reports whether that is a new one.
func (v *Value[T]) enter(at state) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now == at {
		return false
	}
	v.now, v.decided = at, false
	return true
}

// refuse records that the node cannot be read.
func (v *Value[T]) refuse(m *mirror, err error) {
	if v.Read().Err == err { //nolint:errorlint // once for each
		return
	}
	v.enter(state{})
	v.settle(m, state{}, true, func(r *Reading[T]) {
		if errors.Is(err, ErrNotGzip) {
			r.Rejected++
		}
		r.Err = err
	})
}

// missing records that the node does not exist.
func (v *Value[T]) missing(r *Reading[T]) {
	switch {
	case v.fallback != nil && (!r.own || v.onDelete):
		r.Value, r.Node, r.Err, r.good = *v.fallback, framework.Node{}, nil, true
	case r.own:
		r.Err = fmt.Errorf("the node was deleted: %w", framework.ErrNoNode)
	default:
		r.Err = framework.ErrNoNode
	}
}

// take decodes the node's data. It returns when the result is known, ctx ends, or the codec takes too long.
func (v *Value[T]) take(ctx context.Context, m *mirror, at state, node framework.Node) {
	reject := func(r *Reading[T], err error) {
		r.Rejected++
		r.Err = fmt.Errorf("data of %s, version %d: %w", node.Path, node.Stat.Version, err)
	}
	call := v.begin(m, node)
	if call == nil {
		v.settle(m, at, true, func(r *Reading[T]) {
			reject(r, fmt.Errorf("%w: the codec, in %d calls", framework.ErrBlocked, maxCalls))
		})
		return
	}
	result := func() {
		v.settle(m, at, true, func(r *Reading[T]) {
			value, err := call.Result()
			if err != nil {
				reject(r, err)
				return
			}
			r.Value, r.Node, r.Err, r.good, r.own = value, node, nil, true, true
		})
	}
	limited, cancel := context.WithTimeout(ctx, guard.Patience)
	defer cancel()
	switch {
	case call.Wait(limited.Done(), result):
		result()
	case ctx.Err() != nil:
		v.leave(at)
	default:
		v.settle(m, at, false, func(r *Reading[T]) {
			reject(r, fmt.Errorf("%w: the codec, for %v", framework.ErrBlocked, guard.Patience))
		})
	}
}

// begin calls the codec, unless too many calls have not returned.
func (v *Value[T]) begin(m *mirror, node framework.Node) *guard.Call[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.calls == maxCalls {
		return nil
	}
	v.calls++
	return guard.Begin(m.cli, "codec", node.Path, func() (T, error) {
		defer v.returned()
		return v.decode(m, node)
	})
}

func (v *Value[T]) returned() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls--
}

// decode decodes and validates a node's data.
func (v *Value[T]) decode(m *mirror, node framework.Node) (value T, err error) {
	if len(node.Data) == 0 && !v.empty {
		return value, fmt.Errorf("%w: it is empty", ErrEmpty)
	}
	value, err = v.codec(node.Data)
	if err == nil && v.check != nil {
		err = m.cli.Guard("validator", node.Path, func() error { return v.check(value) })
	}
	return value, err
}

// settle shows the result for a state, unless the node's state has changed. A result that is not final is replaced by
// the final one.
func (v *Value[T]) settle(m *mirror, at state, final bool, change func(*Reading[T])) {
	v.mu.Lock()
	if v.now != at || v.decided && !final {
		v.mu.Unlock()
		return
	}
	v.decided = v.decided || final
	old := v.Read()
	now := old
	change(&now)
	v.board.show(func(*Reading[T]) *Reading[T] { return &now })
	v.mu.Unlock()
	v.announce(m, old, now)
}

// leave makes a state be handled again when it is shown again.
func (v *Value[T]) leave(at state) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now == at && !v.decided {
		v.now = state{}
	}
}

// announce logs a change for the worse or the better, and reports it to the client's recipes.
func (v *Value[T]) announce(m *mirror, old, now Reading[T]) {
	m.board.show(func(seen *view) *view {
		m.report(seen)
		return seen
	})
	log := m.cli.Logger()
	switch {
	case now.Err != nil:
		log.Warn("value rejected", "path", m.spec.root, "error", now.Err, "kept", now.good)
	case old.Err != nil && !errors.Is(old.Err, ErrNotLoaded):
		log.Info("value accepted again", "path", m.spec.root)
	}
}

// problem returns why the value is not the node's current one, or nil.
func (v *Value[T]) problem() error {
	switch r := v.Read(); {
	case r.Err == nil, errors.Is(r.Err, ErrNotLoaded):
		return nil
	case r.good:
		return fmt.Errorf("%w: %w", framework.ErrDegraded, r.Err)
	default:
		return r.Err
	}
}
