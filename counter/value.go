package counter

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// Versioned is a value as it was read or written, with its version.
type Versioned[T any] struct {
	Value   T     // as it was read or written
	Version int32 // NoVersion if there is no node
}

// NoVersion is the version of a value whose node does not exist.
const NoVersion int32 = -1

// Value is a sequence of bytes on a path. It is safe for use by many goroutines, whose writes take turns. Values on the same
// path, in any process, are the same value.
type Value struct {
	cli      *framework.Client
	path     string
	seed     []byte
	turn     chan struct{} // holds a token while somebody writes
	receipts *receipts     // nil without
}

// ValueOption changes how a Value behaves: [WithSeed] or [WithoutReceipt].
type ValueOption interface{ applyValue(*Value) }

type valueOption func(*Value)

func (f valueOption) applyValue(v *Value) { f(v) }

// WithSeed sets what a value reads as whose node does not exist, and what the node is created with. Defaults to no bytes.
func WithSeed(data []byte) ValueOption {
	return valueOption(func(v *Value) { v.seed = bytes.Clone(data) })
}

type withoutReceipt struct{}

func (withoutReceipt) applyValue(v *Value) { v.receipts = nil }
func (o withoutReceipt) applyInt(i *Int)   { o.applyValue(i.value) }

// WithoutReceipt writes with a single set, as Curator does, and leaves no nodes beside the value's. A write whose answer is
// lost then returns framework.ErrOutcomeUnknown unless it certainly was not applied.
var WithoutReceipt = withoutReceipt{}

// NewValue returns the value on path. It asks nothing of the servers; an invalid path is an error of the methods.
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

// Get reads the value. The bytes are the caller's.
//
// Errors: those of [framework.Client]'s Get, but for a node that does not exist.
func (v *Value) Get(ctx context.Context) (Versioned[[]byte], error) {
	node, err := v.cli.Get(ctx, v.path)
	return v.state(node, err)
}

// state is what a node says, or its absence.
func (v *Value) state(node framework.Node, err error) (Versioned[[]byte], error) {
	if errors.Is(err, framework.ErrNoNode) {
		return Versioned[[]byte]{Value: bytes.Clone(v.seed), Version: NoVersion}, nil
	}
	if err != nil {
		return Versioned[[]byte]{}, err
	}
	return Versioned[[]byte]{Value: notNull(node.Data), Version: node.Stat.Version}, nil
}

// notNull reads null data, which some clients write, as empty.
func notNull(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// Set replaces the value, whatever it is.
//
// Errors: the cause of ctx, framework.ErrClosed, framework.ErrOutcomeUnknown when nobody can say whether it was applied, and
// what the servers refuse (framework.ErrNoAuth, ...).
func (v *Value) Set(ctx context.Context, data []byte) error {
	_, err := v.Update(ctx, func([]byte) ([]byte, error) { return data, nil })
	return err
}

// CompareAndSet replaces the value if it has this version, and returns the new version. With [NoVersion] it creates the
// node, if there is none.
//
// Errors: those of Set; framework.ErrBadVersion when the value has another version, or none. A create whose answer is lost,
// and that others may have made, is framework.ErrOutcomeUnknown.
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
	node, err := v.cli.Create(ctx, v.path, data, framework.Persistent, framework.Parents)
	if errors.Is(err, framework.ErrNodeExists) {
		return 0, fmt.Errorf("%w: %w", framework.ErrBadVersion, err)
	}
	return node.Stat.Version, err
}

// Update replaces the value by what f makes of it, and returns the new one. f may be called several times, each time with
// what the value has become; an error of f is returned as it is, and nothing is written then. f must not write to the same
// Value: it would wait for its own end.
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

// read returns the node, and creates it first if need be.
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

// Close removes the Value's receipt, which otherwise stays until the client's session ends: for programs that use many
// values, each for a while. It waits for a write that is under way. What ctx leaves undone is done in the background, while
// the session lives. A later write makes another receipt, so that nothing but nodes is lost when a Value is closed
// too early.
//
// Errors: the cause of ctx, framework.ErrClosed, and what the servers refuse (framework.ErrNoAuth, ...).
func (v *Value) Close(ctx context.Context) error {
	if v.receipts == nil {
		return nil
	}
	if err := v.take(ctx); err != nil {
		return err
	}
	defer v.give()
	return v.receipts.remove(ctx)
}
