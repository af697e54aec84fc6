package framework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/retry"
)

// AnyVersion makes set and delete apply whatever the node's version is.
const AnyVersion int32 = -1

// Node is a node as it was read or created.
type Node struct {
	Path string // absolute, in the client's namespace
	Data []byte
	Stat Stat
}

// ops are the operations of a client, or of one session of it, in a namespace.
type ops struct {
	core  *core
	space space
	fixed *epoch // the only epoch to run in; nil means the current one
}

// request is one operation on its way: how to send it, and how to find out what became of it.
type request struct {
	op, path   string // as the caller sees them
	size       int    // of its body at the most, in bytes
	repeatable bool   // applying it twice is harmless
	try        func(ctx context.Context, e *epoch) error
	// settle looks at what became of a try whose answer was lost. It runs behind a sync.
	settle func(ctx context.Context, e *epoch) (verdict, error)
}

type verdict int

const (
	undecided verdict = iota
	applied
	notApplied
)

// sessionRetries spaces the repetitions of an operation whose session may still live.
var sessionRetries = retry.Exponential(10*time.Millisecond, time.Second)

// errOperationTimeout is the cause of the end of an operation by Config.OperationTimeout.
var errOperationTimeout = fmt.Errorf("OperationTimeout has passed: %w", context.DeadlineExceeded)

// do runs r until its outcome is known, or cannot be.
func (o *ops) do(ctx context.Context, r request) error {
	ctx, cancel := o.bounded(ctx)
	defer cancel()
	a := attempt{request: r, ops: o, pauses: o.retries().WithRand(o.core.random.float64).Start()}
	for {
		e, err := o.await(ctx)
		if err != nil {
			return a.fail(err)
		}
		err = a.step(ctx, e)
		switch outcomeOf(err) {
		case answered:
			return a.answer(err)
		case ended:
			a.doubt = !r.repeatable
			return a.fail(err)
		}
		if stop := a.pauses.Wait(ctx); stop != nil {
			return a.fail(a.why(stop, err))
		}
	}
}

// bounded applies OperationTimeout where nothing else bounds the operation.
func (o *ops) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := o.core.cfg.OperationTimeout
	if _, has := ctx.Deadline(); has || o.fixed != nil || limit < 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, limit, errOperationTimeout)
}

func (o *ops) retries() retry.Policy {
	if o.fixed != nil {
		return sessionRetries
	}
	return o.core.cfg.RetryPolicy
}

// await waits at the gate until there is a connection to send on.
func (o *ops) await(ctx context.Context) (*epoch, error) {
	for {
		if ctx.Err() != nil {
			return nil, o.core.notConnected(context.Cause(ctx))
		}
		g := o.core.gate.Load()
		switch {
		case o.core.shut():
			return nil, ErrClosed
		case o.fixed != nil && o.fixed.ctx.Err() != nil:
			return nil, context.Cause(o.fixed.ctx)
		case g.State.Connected() && (o.fixed == nil || o.fixed == g.epoch):
			return g.epoch, nil
		}
		select {
		case <-g.changed:
		case <-o.lost():
		case <-o.core.quit:
		case <-ctx.Done():
			return nil, o.core.notConnected(context.Cause(ctx))
		}
	}
}

// lost is closed when the session that the operations are fixed to is over; nil when they are not.
func (o *ops) lost() <-chan struct{} {
	if o.fixed == nil {
		return nil
	}
	return o.fixed.ctx.Done()
}

// attempt is the state of one request between its tries.
type attempt struct {
	request
	ops    *ops
	pauses *retry.Attempts
	tries  int
	doubt  bool // a try was sent and its answer lost
}

// step sends the request, or settles the doubt about the last try first.
func (a *attempt) step(ctx context.Context, e *epoch) error {
	if a.doubt {
		v, err := a.resolve(ctx, e)
		if err != nil || v == applied {
			return err
		}
		a.doubt = false
	}
	a.tries++
	err := a.send(ctx, e)
	if outcomeOf(err) == unknown && !a.repeatable {
		a.doubt = true
		if a.settle == nil {
			return fmt.Errorf("%w (%v)", ErrOutcomeUnknown, err)
		}
	}
	return err
}

// send tries once, with a larger buffer if the request needs one.
func (a *attempt) send(ctx context.Context, e *epoch) error {
	if err := e.fit(ctx, a.size); err != nil {
		return err
	}
	return a.try(ctx, e)
}

func (a *attempt) resolve(ctx context.Context, e *epoch) (verdict, error) {
	if err := e.sync(ctx); err != nil {
		return undecided, err
	}
	v, err := a.settle(ctx, e)
	if err == nil && v == undecided {
		err = ErrOutcomeUnknown
	}
	return v, err
}

// answer wraps what the server said.
func (a *attempt) answer(err error) error {
	if err == nil {
		return nil
	}
	return a.wrap(err)
}

// fail wraps why the operation was given up, and says so when it may have been applied.
func (a *attempt) fail(err error) error {
	if a.doubt && !errors.Is(err, ErrOutcomeUnknown) {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return a.wrap(err)
}

func (a *attempt) wrap(err error) error {
	return &OpError{Op: a.op, Path: a.path, Attempts: a.tries, State: a.ops.core.gate.Load().State, Err: err}
}

// why chooses between the reason to stop and the failure of the last try, which explains it.
func (a *attempt) why(stop, last error) error {
	if errors.Is(stop, retry.ErrExhausted) {
		return fmt.Errorf("given up by the retry policy: %w", last)
	}
	return fmt.Errorf("%w (%v)", stop, last)
}
