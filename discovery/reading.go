package discovery

import (
	"context"
	"fmt"
	"math"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/guard"
)

// errBlocked means that a node could not be read because a function of the user has not returned.
var errBlocked = fmt.Errorf("%w: the Codec, or a function of WithWeight or WithZone, for %v", framework.ErrBlocked, guard.Patience)

// decode decodes an instance.
func (r *Registry[T]) decode(data []byte) (Instance[T], error) {
	in, err := r.codec.Decode(data)
	if err == nil && !r.anyAddress {
		err = in.reachable()
	}
	if err != nil {
		return Instance[T]{}, err
	}
	return in, nil
}

// begin decodes an instance in its own goroutine, because a user's Codec may panic or not return.
func (r *Registry[T]) begin(path string, data []byte) *guard.Call[Instance[T]] {
	return guard.Begin(r.cli, "codec", path, func() (Instance[T], error) { return r.decode(data) })
}

// finish waits for an instance until limited ends, which is derived from ctx.
func finish[T any](ctx, limited context.Context, call *guard.Call[Instance[T]]) (Instance[T], error) {
	switch {
	case call.Wait(limited.Done(), nil):
		return call.Result()
	case ctx.Err() != nil:
		return Instance[T]{}, fmt.Errorf("%w: the Codec, until %w", framework.ErrBlocked, framework.ContextError(ctx))
	}
	return Instance[T]{}, errBlocked
}

// reading is an instance with the results of the Registry's functions for it.
type reading[T any] struct {
	in     Instance[T]
	weight float64
	zone   string
}

// examine is begin for a view, which needs weight and zone too.
func (r *Registry[T]) examine(path string, data []byte) *guard.Call[*reading[T]] {
	return guard.Begin(r.cli, "codec", path, func() (*reading[T], error) {
		in, err := r.decode(data)
		if err != nil {
			return nil, err
		}
		return r.appraise(path, in), nil
	})
}

// appraise determines the weight and zone of the instance. If a function panics, its default is used.
func (r *Registry[T]) appraise(path string, in Instance[T]) *reading[T] {
	now := &reading[T]{in: in, weight: 1}
	_ = r.cli.Guard("weight", path, func() error {
		now.weight = r.weight(&now.in)
		return nil
	})
	_ = r.cli.Guard("zone", path, func() error {
		now.zone = r.zone(&now.in)
		return nil
	})
	if !(now.weight > 0) || math.IsInf(now.weight, 0) {
		now.weight = 0
	}
	return now
}
