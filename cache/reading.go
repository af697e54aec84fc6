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

// state tells the states of a node apart. The zero state is not known.
type state struct {
	known  bool
	absent bool
	era    uint64
	czxid  int64
	mzxid  int64
}

// stateOf is the state of the node of a Value that a view shows.
func stateOf(seen *view) state {
	if seen.root == nil {
		return state{known: true, absent: true, era: seen.era}
	}
	stat := seen.root.node.Stat
	return state{known: true, era: seen.era, czxid: stat.Czxid, mzxid: stat.Mzxid}
}

// shown takes over a change of the node. The codec may take its time: no lock is held.
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
	case !v.enter(at): // only the Stat has changed, or how fresh it is
	case at.absent:
		v.settle(m, at, true, v.missing)
	default:
		v.take(ctx, m, at, seen.root.node)
	}
}

// enter notes the state that the node is in now. It reports whether that is another one than before.
func (v *Value[T]) enter(at state) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now == at {
		return false
	}
	v.now, v.decided = at, false
	return true
}

// refuse notes that the node cannot be read.
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

// missing says that there is no node.
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

// take takes the value out of the node's data, if it can. It returns when that is known, ctx ends, or the codec takes too long.
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

// decode makes a valid value of a node.
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

// settle shows what has become of a state, unless the node is in another one by now. What is not final gives way to what is.
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

// leave makes a state be looked at again when it is shown again.
func (v *Value[T]) leave(at state) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.now == at && !v.decided {
		v.now = state{}
	}
}

// announce tells the log, and those who look at the client's recipes, of a change for the worse or for the better.
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

// problem says why the value is not what the node is now.
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
