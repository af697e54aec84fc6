package framework

import (
	"context"
	"errors"
	"time"
)

// lingering is the part of the session timeout for which a call may outlast its ctx: T/8.
const lingering = 8

// linger returns a context that outlasts ctx by T/8, so that what was begun can be finished. It ends early when enough
// is closed (nil never is). While there is no connection or the client is being closed, it ends with ctx. cancel must
// be called.
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
	t := time.NewTimer(e.wire.Timeout() / lingering)
	defer t.Stop()
	for g := e.core.gate.Load(); g.serves(e) || g.pausedIn(e); {
		select {
		case <-g.changed:
			next := e.core.gate.Load()
			if g.paused == nil && next.paused == nil {
				return
			}
			g = next
			continue
		case <-t.C:
		case <-enough:
		case <-e.core.closing:
		case <-ctx.Done():
		}
		return
	}
}

// neverSent reports whether an operation ended without an attempt.
func neverSent(err error) bool {
	var op *OpError
	return errors.As(err, &op) && op.Attempts == 0
}
