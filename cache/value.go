package cache

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// ErrNotLoaded says that a Value opened with NoWait has not been read yet.
var ErrNotLoaded = errors.New("the value has not been read yet")

// Reading is a value with what there is to say of it.
type Reading[T any] struct {
	// Value is decoded from the latest data that could be; the default while there is no node, if there is one.
	Value T
	// Node is where Value is from; its Path is empty with the default. Its Data must not be modified.
	Node framework.Node
	// Err says why Value is not what the node is now: the codec's error; framework.ErrNoNode when the node is gone and
	// there is no default; what the servers refuse (framework.ErrNoAuth, ...); [ErrNotLoaded]. It is nil otherwise. A
	// stale value is no error: see [Value.StaleSince].
	Err error
	// Rejected counts the states of the node that could not be decoded, or unpacked, since the Value was opened.
	Rejected int

	good  bool  // Value is one
	czxid int64 // of the node that was looked at last, with mzxid, decoded or not
	mzxid int64
}

// Value is the decoded data of one node: a configuration. An update that cannot be decoded leaves the one before in place. It
// is safe for use by many goroutines.
type Value[T any] struct {
	handle
	codec    Codec[T]
	fallback *T // the default, nil for none
	board    board[Reading[T]]
}

// OpenValue follows the node at path, and returns when it has been read and decoded. ctx bounds only that. codec is called in
// the Value's own goroutine, once for each state of the node.
//
// Errors: those of [Open]; framework.ErrNoNode if there is no node (see [OpenValueOr]); the codec's. With [NoWait] these
// are left to [Value.Err].
func OpenValue[T any](ctx context.Context, cli *framework.Client, path string, codec Codec[T], opts ...ValueOption) (*Value[T], error) {
	return openValue(ctx, cli, path, &Value[T]{codec: codec}, opts)
}

// OpenValueOr is OpenValue for a node that need not exist: while it does not, the value is fallback.
func OpenValueOr[T any](ctx context.Context, cli *framework.Client, path string, codec Codec[T], fallback T, opts ...ValueOption) (*Value[T], error) {
	return openValue(ctx, cli, path, &Value[T]{codec: codec, fallback: &fallback}, opts)
}

func openValue[T any](ctx context.Context, cli *framework.Client, path string, v *Value[T], opts []ValueOption) (*Value[T], error) {
	s := newSpec("value cache", path, 0)
	for _, o := range opts {
		o.applyValue(&s)
	}
	first := &Reading[T]{Err: ErrNotLoaded}
	if v.fallback != nil {
		first.Value = *v.fallback
	}
	v.board.latest.Store(first)
	m, err := open(ctx, cli, s, v.update)
	if err != nil {
		return nil, err
	}
	v.m = m
	if r := v.Read(); !s.noWait && !r.good {
		m.close()
		return nil, fmt.Errorf("%s %s: %w", s.name, m.spec.root, r.Err)
	}
	return v, nil
}

// update takes over a change of the node. The codec may take its time: no lock is held.
func (v *Value[T]) update(seen *view) {
	now := *v.board.latest.Load()
	var refused *refusal
	seen.refused.each(func(_ string, r *refusal) bool {
		refused = r
		return true
	})
	switch {
	case refused != nil:
		v.reject(&now, refused)
	case seen.root == nil:
		v.miss(&now)
	case seen.root.node.Stat.Czxid == now.czxid && seen.root.node.Stat.Mzxid == now.mzxid:
		return // only the Stat, or how fresh it is
	default:
		v.decode(&now, seen.root.node)
	}
	v.board.show(func(*Reading[T]) *Reading[T] { return &now })
}

// reject notes that the node cannot be read.
func (v *Value[T]) reject(r *Reading[T], refused *refusal) {
	if errors.Is(refused.err, ErrNotGzip) && r.Err != refused.err { //nolint:errorlint // once for each
		r.Rejected++
	}
	r.Err, r.czxid, r.mzxid = refused.err, 0, 0
}

// miss notes that there is no node.
func (v *Value[T]) miss(r *Reading[T]) {
	r.Err, r.czxid, r.mzxid = framework.ErrNoNode, 0, 0
	if v.fallback != nil {
		r.Value, r.Node, r.Err, r.good = *v.fallback, framework.Node{}, nil, true
	}
}

// decode takes the value out of the node's data, if it can.
func (v *Value[T]) decode(r *Reading[T], node framework.Node) {
	r.czxid, r.mzxid = node.Stat.Czxid, node.Stat.Mzxid
	value, err := v.codec(node.Data)
	if err != nil {
		r.Rejected++
		r.Err = fmt.Errorf("data of %s, version %d: %w", node.Path, node.Stat.Version, err)
		return
	}
	r.Value, r.Node, r.Err, r.good = value, node, nil, true
}

// Path is the path of the node.
func (v *Value[T]) Path() string { return v.m.spec.root }

// Read returns the value with what there is to say of it. It takes no lock.
func (v *Value[T]) Read() Reading[T] { return *v.board.latest.Load() }

// Load returns the latest good value, stale or not; the zero value or the default if NoWait has left it without one. It takes
// no lock. What it refers to is shared with others that load it.
func (v *Value[T]) Load() T { return v.board.latest.Load().Value }

// Fresh returns the value, or [ErrStale] while it is stale, or why it is not what the node is now.
func (v *Value[T]) Fresh() (T, error) {
	if _, err := (nodes{v.handle}).Fresh(); err != nil {
		var none T
		return none, err
	}
	r := v.Read()
	return r.Value, r.Err
}

// Err says why the value is not what the node is now, as [Reading] does; nil if it is.
func (v *Value[T]) Err() error { return v.Read().Err }

// Changes returns a channel of the present Reading and of later ones. A reader that is slow misses those in between, never
// the last one, and delays nobody. It is closed when ctx ends and when the Value ends.
func (v *Value[T]) Changes(ctx context.Context) <-chan Reading[T] {
	out := make(chan Reading[T])
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(v.m.life, cancel)
	if !v.board.listen(1, func(now *Reading[T], f *feed[*Reading[T]]) {
		defer close(out)
		defer cancel()
		defer stop()
		for ok := true; ok; {
			select {
			case out <- *now:
			case <-ctx.Done():
				return
			}
			var s step[*Reading[T]]
			s, ok = f.next(ctx)
			now = s.value
		}
	}) {
		stop()
		cancel()
		close(out)
	}
	return out
}

// Close ends the Value and waits for it; channels of Changes are closed. It can still be loaded, and is stale. Close may be
// called repeatedly. It always returns nil.
func (v *Value[T]) Close() error {
	_ = v.handle.Close()
	v.board.close()
	return nil
}
