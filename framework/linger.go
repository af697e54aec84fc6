package framework

import (
	"context"
	"errors"
	"time"

	"github.com/go-zookeeper/zk"
)

// lingering is the part of the session timeout for which a call may outlast its ctx: T/8.
const lingering = 8

// linger returns a context that outlasts ctx by T/8, so that what was begun can be finished. It ends earlier when enough is
// closed (nil never is), and ends with ctx while there is no connection or the client is being closed. cancel must be called.
func (e *epoch) linger(ctx context.Context, enough <-chan struct{}) (longer context.Context, cancel func()) {
	if ctx.Done() == nil {
		return ctx, func() {}
	}
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		e.outlast(longer, enough)
		end(ContextError(ctx))
	})
	return longer, func() {
		stop()
		end(nil)
	}
}

// outlast waits as linger says, or until ctx ends.
func (e *epoch) outlast(ctx context.Context, enough <-chan struct{}) {
	g := e.core.gate.Load()
	if !g.serves(e) {
		return
	}
	t := time.NewTimer(e.wire.Timeout() / lingering)
	defer t.Stop()
	select {
	case <-t.C:
	case <-enough:
	case <-g.changed:
	case <-e.core.closing:
	case <-ctx.Done():
	}
}

// lingeringCall is call, but a call that was sent when ctx ends is waited for: see linger.
func lingeringCall[T any](ctx context.Context, e *epoch, fn func(*zk.Conn) (T, error)) (T, error) {
	if err := e.enter(ctx); err != nil {
		var zero T
		return zero, err
	}
	longer, cancel := e.linger(ctx, nil)
	defer cancel()
	return follow(longer, e, fn)
}

// writtenCall is call, but it does not return before the request with that opcode and path is written to the connection, even
// if ctx has ended when it is called: see linger for how long that may take. Then the answer is not waited for.
func writtenCall[T any](ctx context.Context, e *epoch, op int32, path string, fn func(*zk.Conn) (T, error)) (T, error) {
	written, forget := e.sent.await(op, path)
	defer forget()
	longer, cancel := e.linger(ctx, written)
	defer cancel()
	return call(longer, e, fn)
}

// Opcodes of requests whose writing is waited for; 0 is any.
const (
	opAny    int32 = 0
	opDelete int32 = 2
	opMulti  int32 = 14
)

// neverSent reports whether an operation has ended without a try.
func neverSent(err error) bool {
	var op *OpError
	return errors.As(err, &op) && op.Attempts == 0
}
