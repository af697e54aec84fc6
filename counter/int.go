package counter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/docent-zk/docent/framework"
)

// Errors of an [Int], besides those of package framework.
var (
	// ErrWidth means that the node's data does not have the length of the Int.
	ErrWidth = errors.New("the data has another width")
	// ErrOverflow means that a number does not fit into the Int. Nothing was written.
	ErrOverflow = errors.New("the number does not fit")
)

// Int is an integer on a path, in the formats of Curator's counters. It is safe for concurrent use; its writes are done
// one after the other.
type Int struct {
	value *Value
	width int // in bytes
}

// IntOption configures an Int: [Long] or [WithoutReceipt].
type IntOption interface{ applyInt(*Int) }

type intOption func(*Int)

func (f intOption) applyInt(i *Int) { f(i) }

// Long selects 8 bytes, as Curator's DistributedAtomicLong.
// Defaults to 4 bytes, as SharedCount, DistributedAtomicInteger, and kazoo's Counter with support_curator.
var Long IntOption = intOption(func(i *Int) { i.width = 8 })

// NewInt returns the integer on path. It does not contact the servers; an invalid path is reported by the methods.
func NewInt(cli *framework.Client, path string, opts ...IntOption) *Int {
	i := &Int{value: newValue(cli, path), width: 4}
	for _, opt := range opts {
		opt.applyInt(i)
	}
	i.value.seed = make([]byte, i.width)
	return i
}

// Get reads the number. A node that does not exist, or is empty, reads as 0.
//
// Errors: [ErrWidth], and those of [framework.Client]'s Get.
func (i *Int) Get(ctx context.Context) (Versioned[int64], error) {
	state, err := i.value.Get(ctx)
	if err != nil {
		return Versioned[int64]{}, err
	}
	n, err := i.decode(state.Value)
	return Versioned[int64]{Value: n, Version: state.Version}, err
}

// Set replaces the number, whatever its version.
//
// Errors: [ErrWidth], [ErrOverflow], and those of [Value.Set].
func (i *Int) Set(ctx context.Context, n int64) error {
	_, err := i.update(ctx, func(int64) (int64, error) { return n, nil })
	return err
}

// Add adds delta, which may be negative, and returns the sum. The addition is applied exactly once, or the error says
// that it was not applied or that this is not known.
//
// Errors: [ErrWidth], [ErrOverflow], and those of [Value.Set].
func (i *Int) Add(ctx context.Context, delta int64) (int64, error) {
	var sum int64
	_, err := i.update(ctx, func(old int64) (int64, error) {
		sum = old + delta
		if (sum > old) != (delta > 0) && delta != 0 {
			return 0, i.overflow(fmt.Sprintf("%d%+d", old, delta))
		}
		return sum, nil
	})
	if err != nil {
		return 0, err
	}
	return sum, nil
}

// CompareAndSet replaces the number if it has this version, and returns the new version. With [NoVersion], it creates
// the node if it does not exist.
//
// Errors: [ErrWidth], [ErrOverflow], and those of [Value.CompareAndSet].
func (i *Int) CompareAndSet(ctx context.Context, version int32, n int64) (int32, error) {
	data, err := i.encode(n)
	if err != nil {
		return 0, err
	}
	if version == NoVersion {
		return i.value.create(ctx, data)
	}
	done, err := i.value.write(ctx, false, func(ctx context.Context) (change, error) {
		node, err := i.value.cli.Get(ctx, i.value.path)
		if err == nil {
			_, err = i.decode(node.Data)
		}
		return change{data: data, version: version, czxid: node.Stat.Czxid}, missingIsChanged(err)
	})
	return done.Version, err
}

// Changes follows the number: see [Value.Changes]. Data of another length ends it with [ErrWidth].
func (i *Int) Changes(ctx context.Context) *Changes[int64] { return follow(ctx, i.value, i.decode) }

// Close removes the Int's receipt: see [Value.Close].
func (i *Int) Close(ctx context.Context) error { return i.value.Close(ctx) }

// Policy returns how Changes responds to SUSPENDED and LOST.
func (i *Int) Policy() framework.Policy { return i.value.Policy() }

// update is Value.Update for numbers.
func (i *Int) update(ctx context.Context, f func(int64) (int64, error)) (Versioned[[]byte], error) {
	return i.value.Update(ctx, func(old []byte) ([]byte, error) {
		n, err := i.decode(old)
		if err != nil {
			return nil, err
		}
		if n, err = f(n); err != nil {
			return nil, err
		}
		return i.encode(n)
	})
}

func (i *Int) decode(data []byte) (int64, error) {
	switch {
	case len(data) == 0:
		return 0, nil
	case len(data) != i.width:
		return 0, fmt.Errorf("counter %s: %w: it is %d bytes, and this counter is of %d (4 as Curator's SharedCount and "+
			"DistributedAtomicInteger, 8 with counter.Long)", i.value.path, ErrWidth, len(data), i.width)
	case i.width == 8:
		return int64(binary.BigEndian.Uint64(data)), nil
	}
	return int64(int32(binary.BigEndian.Uint32(data))), nil
}

func (i *Int) encode(n int64) ([]byte, error) {
	if i.width == 8 {
		return binary.BigEndian.AppendUint64(nil, uint64(n)), nil
	}
	if n < math.MinInt32 || n > math.MaxInt32 {
		return nil, i.overflow(fmt.Sprint(n))
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n)), nil
}

func (i *Int) overflow(what string) error {
	return fmt.Errorf("counter %s: %w: %s, into %d bytes", i.value.path, ErrOverflow, what, i.width)
}
