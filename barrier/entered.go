package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/docent-zk/docent/framework"
)

// Entered is one member inside a double barrier, from Enter to Leave. It is safe for concurrent use.
type Entered struct {
	double  *Double
	session *framework.Session
	node    framework.Node
	round   int64 // czxid of the ready node that opened the round; 0 if it is not known
	ready   *sign // the ready node as last seen
	ctx     context.Context
	cancel  context.CancelCauseFunc
	listed  *framework.Tracked

	leaving atomic.Bool
	left    chan struct{} // closed when err is set
	err     error         // the result of Leave
}

// Context returns a context that ends when this member is no longer inside. context.Cause says why: [ErrLeft],
// framework.ErrSessionLost or framework.ErrClosed. It has the values of the ctx that Enter was called with, but neither
// its deadline nor its cancellation.
func (e *Entered) Context() context.Context { return e.ctx }

// Path returns the member's node, in the client's namespace.
func (e *Entered) Path() string { return e.node.Path }

// Leave ends this member's work, and returns when all other members of its round have left or died. It keeps waiting
// through disconnections, within the limits of ctx.
//
// It returns nil if all have left together. Errors: the cause of ctx, if other members are still inside;
// framework.ErrSessionLost and framework.ErrClosed, if this member was out before; [ErrDeleted], if it may have seemed
// so to the other members. The error also matches framework.ErrReleasing if this member's node is still being removed
// in the background. Further calls wait for the first one and return the same error.
func (e *Entered) Leave(ctx context.Context) error {
	if e.leaving.CompareAndSwap(false, true) {
		e.err = e.leave(ctx)
		close(e.left)
	}
	select {
	case <-e.left: // even if ctx has ended
		return e.err
	default:
	}
	select {
	case <-e.left:
		return e.err
	case <-ctx.Done():
		return framework.ContextError(ctx)
	}
}

func (e *Entered) leave(ctx context.Context) (err error) {
	e.cancel(ErrLeft)
	e.listed.End()
	l := &leaver{Entered: e}
	defer func() {
		l.ready.stop()
		if !l.out {
			withdraw(e.session, e.node.Path)
			if err != nil && e.session.Err() == nil {
				err = fmt.Errorf("%w: %w", framework.ErrReleasing, err)
			}
		}
	}()
	if cause := context.Cause(e.ctx); !errors.Is(cause, ErrLeft) {
		return fmt.Errorf("double barrier %s: %s was out before it could leave: %w", e.double.path, e.node.Path, cause)
	}
	ctx, cancel := e.session.Context(ctx, e.double.Policy()) // so that it does not wait for the next session
	defer cancel(nil)
	return e.double.run(ctx, func(ctx context.Context, s *framework.Session) error {
		if s.Epoch() != e.session.Epoch() {
			return framework.ErrSessionLost
		}
		s.Report("leaving", nil, slog.String("node", e.node.Path))
		return l.run(ctx)
	})
}
