package counter

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Versioned is a value with its version.
type Versioned[T any] struct {
	Value   T     // as it was read or written
	Version int32 // NoVersion if the node does not exist
}

// NoVersion is the version of a value whose node does not exist.
const NoVersion int32 = -1

// Value is a sequence of bytes on a path. It is safe for concurrent use; its writes are done one after the other.
// Values on the same path, in any process, share the same data.
type Value struct {
	cli      *framework.Client
	path     string
	seed     []byte
	turn     chan struct{} // holds a token while a call writes
	receipts *receipts     // nil with WithoutReceipt
}

// ValueOption configures a Value: [WithSeed] or [WithoutReceipt].
type ValueOption interface{ applyValue(*Value) }

type valueOption func(*Value)

func (f valueOption) applyValue(v *Value) { f(v) }

// WithSeed sets the value that is read if the node does not exist, and the data with which the node is created.
// Defaults to no bytes.
func WithSeed(data []byte) ValueOption {
	return valueOption(func(v *Value) { v.seed = bytes.Clone(data) })
}

type withoutReceipt struct{}

func (withoutReceipt) applyValue(v *Value) { v.receipts = nil }
func (o withoutReceipt) applyInt(i *Int)   { o.applyValue(i.value) }

// WithoutReceipt writes with a single set, as Curator does, and creates no nodes other than the value's. If a reply is
// lost, the write then returns framework.ErrOutcomeUnknown, unless it certainly was not applied.
var WithoutReceipt = withoutReceipt{}

// NewValue returns the value on path. It does not contact the servers; an invalid path is reported by the methods.
func NewValue(cli *framework.Client, path string, opts ...ValueOption) *Value {
	v := newValue(cli, path)
	for _, opt := range opts {
		opt.applyValue(v)
	}
	return v
}

func newValue(cli *framework.Client, path string) *Value {
	path = framework.Abs(path)
	return &Value{cli: cli, path: path, seed: []byte{}, turn: make(chan struct{}, 1), receipts: &receipts{cli: cli, value: path}}
}

// Get reads the value. The caller may modify the bytes.
//
// Errors: those of [framework.Client]'s Get, except that a node that does not exist is not an error.
func (v *Value) Get(ctx context.Context) (Versioned[[]byte], error) {
	if err := v.usable(); err != nil {
		return Versioned[[]byte]{}, err
	}
	node, err := v.cli.Get(ctx, v.path)
	return v.state(node, err)
}

// usable returns an error if the client is nil.
func (v *Value) usable() error {
	if err := recipekit.Usable(v.cli); err != nil {
		return fmt.Errorf("counter %s: %w", v.path, err)
	}
	return nil
}

// state returns the value of a node, or of a missing one.
func (v *Value) state(node framework.Node, err error) (Versioned[[]byte], error) {
	if errors.Is(err, framework.ErrNoNode) {
		return Versioned[[]byte]{Value: bytes.Clone(v.seed), Version: NoVersion}, nil
	}
	if err != nil {
		return Versioned[[]byte]{}, err
	}
	return Versioned[[]byte]{Value: notNull(node.Data), Version: node.Stat.Version}, nil
}

// notNull returns empty data for null, which some clients write.
func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// Set replaces the value, whatever its version.
//
// Errors: the cause of ctx; framework.ErrClosed; framework.ErrOutcomeUnknown if it is not known whether the write was
// applied; and what the servers refuse (framework.ErrNoAuth, ...).
func (v *Value) Set(ctx context.Context, data []byte) error {
	_, err := v.Update(ctx, func([]byte) ([]byte, error) { return data, nil })
	return err
}

// CompareAndSet replaces the value if it has this version, and returns the new version. With [NoVersion], it creates
// the node if it does not exist.
//
// Errors: those of Set, and framework.ErrBadVersion if the value has another version or does not exist. It returns
// framework.ErrOutcomeUnknown for a create whose reply was lost and which another client may have made.
func (v *Value) CompareAndSet(ctx context.Context, version int32, data []byte) (int32, error) {
	if version == NoVersion {
		return v.create(ctx, data)
	}
	done, err := v.write(ctx, false, func(context.Context) (change, error) {
		return change{data: data, version: version}, nil
	})
	return done.Version, err
}

// create is CompareAndSet for a value whose node does not exist.
func (v *Value) create(ctx context.Context, data []byte) (int32, error) {
	if err := v.usable(); err != nil {
		return 0, err
	}
	node, err := v.cli.Create(ctx, v.path, data, framework.Persistent, framework.Parents)
	if errors.Is(err, framework.ErrNodeExists) {
		return 0, fmt.Errorf("%w: %w", framework.ErrBadVersion, err)
	}
	return node.Stat.Version, err
}

// Update replaces the value with the result of f, and returns it. f may be called more than once, each time with the
// current value. If f returns an error, Update returns it and writes nothing. f must not write to the same Value, which
// would deadlock.
//
// Errors: those of f and of Set.
func (v *Value) Update(ctx context.Context, f func(old []byte) ([]byte, error)) (Versioned[[]byte], error) {
	if f == nil {
		return Versioned[[]byte]{}, errors.New("counter " + v.path + ": the function is nil")
	}
	return v.write(ctx, true, func(ctx context.Context) (change, error) {
		node, err := v.read(ctx)
		if err != nil {
			return change{}, err
		}
		data, err := f(notNull(node.Data))
		return change{data: data, version: node.Stat.Version, czxid: node.Stat.Czxid}, err
	})
}

// read returns the node. It creates the node first if needed.
func (v *Value) read(ctx context.Context) (framework.Node, error) {
	for {
		node, err := v.cli.Get(ctx, v.path)
		if !errors.Is(err, framework.ErrNoNode) {
			return node, err
		}
		_, err = v.cli.Create(ctx, v.path, v.seed, framework.Persistent, framework.Parents, framework.Idempotent)
		if err != nil && !errors.Is(err, framework.ErrNodeExists) {
			return framework.Node{}, err
		}
	}
}

// Close removes the Value's receipt, which otherwise remains until the client's session ends. It is for programs that
// use many values for a short time each. Close waits for a running write. If ctx ends first, the rest is done in the
// background while the session lives. A later write creates a new receipt, so closing a Value too early does no harm.
//
// Errors: the cause of ctx, framework.ErrClosed, and what the servers refuse (framework.ErrNoAuth, ...).
func (v *Value) Close(ctx context.Context) error {
	if v.receipts == nil {
		return nil
	}
	if err := v.take(ctx); err != nil {
		return err
	}
	defer v.release()
	return v.receipts.remove(ctx)
}
