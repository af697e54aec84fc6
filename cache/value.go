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

// ErrNotLoaded means that a Value opened with NoWait has not been read yet.
var ErrNotLoaded = errors.New("the value has not been read yet")

// Reading is a value and its status.
type Reading[T any] struct {
	// Value is the last good value: decoded from the latest valid data, or the default. See [OpenValueOr].
	Value T
	// Node is the node that Value was decoded from. For the default, its Path is empty. Its Data must not be modified.
	Node framework.Node
	// Err is why Value is not the node's current value: the error of the codec or of [Validate]; [ErrEmpty];
	// framework.ErrPanicked or ErrBlocked; framework.ErrNoNode if the node was deleted; what the servers refuse
	// (framework.ErrNoAuth, ...); or [ErrNotLoaded]. It is nil if Value is current. A stale value is not an error: see
	// [Value.StaleSince].
	Err error
	// Rejected is the number of states of the node that were rejected since the Value was opened.
	Rejected int

	good bool // Value has been set
	own  bool // a node has had a good value
}

// Value is the decoded data of one node, such as a configuration. It is safe for concurrent use.
//
// The last good value stays in use when the node is deleted, emptied, set to null, or set to data that does not decode
// or does not pass [Validate]. [Value.Err], framework.Client's Health (as a notice), the log and the metric
// docent.cache.rejected report this.
type Value[T any] struct {
	handle
	codec    Codec[T]
	check    func(T) error // nil for none
	fallback *T            // the default; nil for none
	onDelete bool          // the default replaces the value of a deleted node
	empty    bool          // the codec receives empty data
	board    board[Reading[T]]

	mu      sync.Mutex // guards the fields below, and the order of what the board shows
	now     state      // of the node, when it was last handled
	decided bool       // whether the state is good is known
	calls   int        // calls of the codec that have not returned
}

// OpenValue follows the node at path. It returns when the node has been read and decoded; ctx bounds only that. codec
// is called in a goroutine of the Value, once for each state of the node. A panic in codec rejects the data with
// framework.ErrPanicked. A call that takes longer than 10 s rejects it with framework.ErrBlocked until the call
// returns. The Value does not wait for that, and may call codec concurrently for a later state.
//
// Errors are those of [Open], framework.ErrNoNode if the node does not exist (see [OpenValueOr]), [ErrEmpty], and those
// of the codec and of [Validate]. With [NoWait], [Value.Err] returns them instead.
func OpenValue[T any](ctx context.Context, cli *framework.Client, path string, codec Codec[T], opts ...ValueOption) (*Value[T], error) {
	return openValue(ctx, cli, path, &Value[T]{codec: codec}, opts)
}

// OpenValueOr is OpenValue for a node that need not exist. The value is fallback until the node exists, and Err is nil.
// If the node is deleted later, its last good value stays and Err says that the node is gone. With [DefaultOnDelete],
// the value is then fallback and Err is nil.
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

// configure applies the options to the value, and sets what it shows before the node has been read.
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

// Path returns the path of the node.
func (v *Value[T]) Path() string { return v.m.spec.root }

// Read returns the value and its status. It takes no lock.
func (v *Value[T]) Read() Reading[T] { return *v.board.latest.Load() }

// Load returns the last good value, fresh or stale. With NoWait, it may be the default or the zero value. Load takes no
// lock. Everything that the value refers to is shared with other callers.
func (v *Value[T]) Load() T { return v.board.latest.Load().Value }

// Fresh returns the value. It returns [ErrStale] while the value is stale, and otherwise the error of [Value.Err].
func (v *Value[T]) Fresh() (T, error) {
	if _, err := (nodes{v.handle}).Fresh(); err != nil {
		var none T
		return none, err
	}
	r := v.Read()
	return r.Value, r.Err
}

// Err returns why the value is not the node's current one, as [Reading] does, or nil.
func (v *Value[T]) Err() error { return v.Read().Err }

// Changes delivers the current Reading and later ones. A slow reader misses those in between, but not the last one, and
// delays no other reader. The channel is closed when ctx ends and when the Value ends.
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

// Close ends the Value and waits for it. Channels of Changes are closed. The value can still be loaded, and is stale.
// Close may be called more than once. It always returns nil.
func (v *Value[T]) Close() error {
	_ = v.handle.Close()
	v.board.close()
	return nil
}
