package counter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/retry"
)

// change is what a write does to the value's node.
type change struct {
	data    []byte
	version int32 // required version of the node
	czxid   int64 // of the node; 0 if it was not read
}

// errNotApplied means that an attempt was certainly not applied and may be repeated.
var errNotApplied = errors.New("not applied")

// collisions spaces the retries of concurrent writes.
var collisions = retry.Exponential(time.Millisecond, 200*time.Millisecond)

// write makes one change, which prepare returns before each attempt. With insistent, it retries if another write was
// faster.
func (v *Value) write(ctx context.Context, insistent bool, prepare func(context.Context) (change, error)) (Versioned[[]byte], error) {
	if err := v.take(ctx); err != nil {
		return Versioned[[]byte]{}, err
	}
	defer v.release()
	pauses := collisions.WithRand(v.chance).Start()
	for {
		c, err := prepare(ctx)
		if err != nil {
			return Versioned[[]byte]{}, err
		}
		version, err := v.apply(ctx, c)
		switch {
		case err == nil:
			return Versioned[[]byte]{Value: c.data, Version: version}, nil
		case errors.Is(err, errNotApplied), insistent && errors.Is(err, framework.ErrBadVersion):
		default:
			return Versioned[[]byte]{}, err
		}
		if stop := pauses.Wait(ctx); stop != nil {
			return Versioned[[]byte]{}, fmt.Errorf("counter %s: %w, and the last try failed: %v", v.path, stop, err)
		}
	}
}

// take waits for the turn to write.
func (v *Value) take(ctx context.Context) error {
	if err := v.usable(); err != nil {
		return err
	}
	select {
	case v.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case v.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("counter %s: %w, while another write through the same value is under way", v.path, framework.ContextError(ctx))
	}
}

func (v *Value) release() { <-v.turn }

// chance returns a number in [0,1) from the client's source of randomness.
func (v *Value) chance() float64 {
	var b [8]byte
	_, _ = io.ReadFull(recipekit.Random(v.cli), b[:]) // if the source fails, there is less jitter
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}

// apply makes a change once, and returns the new version. It returns errNotApplied if the change may be retried, and
// framework.ErrBadVersion if the node has changed.
func (v *Value) apply(ctx context.Context, c change) (int32, error) {
	if c.version == framework.AnyVersion {
		return 0, fmt.Errorf("counter %s: after 2^32 writes the node has version -1, by which ZooKeeper means any: "+
			"set it once by other means", v.path)
	}
	if v.receipts != nil {
		return v.receipts.apply(ctx, c)
	}
	stat, err := v.cli.Set(ctx, v.path, c.data, c.version)
	return stat.Version, missingIsChanged(err)
}

// missingIsChanged treats a missing node as a changed version.
func missingIsChanged(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return fmt.Errorf("%w: %w", framework.ErrBadVersion, err)
	}
	return err
}
