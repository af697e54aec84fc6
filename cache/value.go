package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"github.com/docent-zk/docent/framework"
)

// ErrNotLoaded says that a Value opened with NoWait has not been read yet.
var ErrNotLoaded = errors.New("the value has not been read yet")

// Reading is a value with what there is to say of it.
type Reading[T any] struct {
	// Value is the last good one: decoded from the latest data that could be decoded and is valid, or the default. See
	// [OpenValueOr].
	Value T
	// Node is where Value is from. With the default its Path is empty. Its Data must not be modified.
	Node framework.Node
	// Err says why Value is not what the node is now: the error of the codec or of [Validate]; [ErrEmpty]; framework.ErrPanicked
	// or ErrBlocked; framework.ErrNoNode when the node is gone; what the servers refuse (framework.ErrNoAuth, ...);
	// [ErrNotLoaded]. It is nil otherwise. A stale value is not an error: see [Value.StaleSince].
	Err error
	// Rejected counts the states of the node that were rejected since the Value was opened.
	Rejected int

	good bool // Value is one
	own  bool // a node has had a good value
}

// Value is the decoded data of one node: a configuration. It is safe for use by many goroutines.
//
// The last good value stays in use when the node is deleted, emptied, set to null, or to data that does not decode or does not
// pass [Validate]. [Value.Err], framework.Client's Health (as a notice), the log and the metric docent.cache.rejected say so.
type Value[T any] struct {
	handle
	codec    Codec[T]
	check    func(T) error // nil for none
	fallback *T            // the default, nil for none
	onDelete bool          // the default replaces a value whose node is deleted
	empty    bool          // the codec gets empty data
	board    board[Reading[T]]

	mu      sync.Mutex // guards the following, and the order of what the board shows
	now     state      // of the node, as it was looked at last
	decided bool       // whether that is good is known
	calls   int        // of the codec that have not returned
}

// OpenValue follows the node at path, and returns when it has been read and decoded. ctx bounds only that. codec is called in a
// goroutine of the Value's own, once for each state of the node. A panic in it rejects the data, with framework.ErrPanicked. So
// does a call that takes longer than 10 s, with framework.ErrBlocked, until it returns: the Value does not wait for it, and may
// call codec for a later state meanwhile.
//
// Errors: those of [Open]; framework.ErrNoNode if there is no node (see [OpenValueOr]); [ErrEmpty]; those of the codec and of
// [Validate]. With [NoWait] these are left to [Value.Err].
func OpenValue[T any](ctx context.Context, cli *framework.Client, path string, codec Codec[T], opts ...ValueOption) (*Value[T], error) {
	return openValue(ctx, cli, path, &Value[T]{codec: codec}, opts)
}

// OpenValueOr is OpenValue for a node that need not exist. The value is fallback until there is a node, and Err is nil. When a
// node is deleted later, its last good value stays and Err says that it is gone. With [DefaultOnDelete] the value is fallback
// then, and Err nil.
func OpenValueOr[T any](ctx context.Context, cli *framework.Client, path string, codec Codec[T], fallback T, opts ...ValueOption) (*Value[T], error) {
	return openValue(ctx, cli, path, &Value[T]{codec: codec, fallback: &fallback}, opts)
}

func openValue[T any](ctx context.Context, cli *framework.Client, path string, v *Value[T], opts []ValueOption) (*Value[T], error) {
	s := newSpec("value cache", path, 0)
	for _, o := range opts {
		o.applyValue(&s)
	}
	if err := v.configure(&s); err != nil {
		return nil, fmt.Errorf("%s %s: %w", s.name, path, err)
	}
	m, err := open(ctx, cli, s, v)
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

// configure takes over what the options say of the value, and shows what there is before the node was read.
func (v *Value[T]) configure(s *spec) error {
	switch check, ok := s.check.(func(T) error); {
	case v.codec == nil:
		return errors.New("the Codec is nil")
	case s.check != nil && !ok:
		return fmt.Errorf("Validate was given a %T, which does not take a %v", s.check, reflect.TypeFor[T]())
	case s.check != nil && check == nil:
		return errors.New("Validate was given a nil function")
	case s.defaultOnDelete && v.fallback == nil:
		return errors.New("DefaultOnDelete needs a default: use OpenValueOr")
	default:
		v.check, v.onDelete, v.empty = check, s.defaultOnDelete, s.allowEmpty
	}
	rejected := func() slog.Value { return slog.IntValue(v.Read().Rejected) }
	s.attrs = append(s.attrs, slog.Any("rejected", valuer(rejected)))
	first := &Reading[T]{Err: ErrNotLoaded}
	if v.fallback != nil {
		first.Value = *v.fallback
	}
	v.board.latest.Store(first)
	return nil
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
