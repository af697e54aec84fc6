package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/docent-zk/docent/framework"
)

// Entered is one member inside a double barrier, from Enter to Leave. It is safe for use by many goroutines.
type Entered struct {
	double  *Double
	session *framework.Session
	node    framework.Node
	round   int64 // czxid of the sign that has opened the round; 0 if that is not known
	ready   *sign // as it was seen last
	ctx     context.Context
	cancel  context.CancelCauseFunc
	listed  *framework.Tracked

	leaving atomic.Bool
	left    chan struct{} // closed when err is set
	err     error         // what Leave returned
}

// Context ends when this member is no longer inside. context.Cause of it says why: [ErrLeft], framework.ErrSessionLost or
// framework.ErrClosed. It carries the values of the ctx that was given to Enter, but not its deadline or cancellation.
func (e *Entered) Context() context.Context { return e.ctx }

// Path is the member's node, in the client's namespace.
func (e *Entered) Path() string { return e.node.Path }

// Leave says that this member has finished, and returns when all the others of its round have finished, too, or have died. It
// waits through disconnections, as long as ctx allows.
//
// It returns nil if all have left together. Errors: the cause of ctx, when others are still inside; framework.ErrSessionLost and
// framework.ErrClosed, when this member was out before; [ErrDeleted], when the others may have believed so. The error also matches
// framework.ErrReleasing if this member's node is still being removed in the background. Further calls wait for the first one
// and return the same.
func (e *Entered) Leave(ctx context.Context) error {
	if e.leaving.CompareAndSwap(false, true) {
		e.err = e.leave(ctx)
		close(e.left)
	}
	select {
	case <-e.left: // also if ctx has ended
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
	ctx, cancel := e.session.Context(ctx, e.double.Policy()) // not to wait for the next session
	defer cancel(nil)
	return e.double.run(ctx, func(ctx context.Context, s *framework.Session) error {
		if s.Epoch() != e.session.Epoch() {
			return framework.ErrSessionLost
		}
		s.Report("leaving", nil, slog.String("node", e.node.Path))
		return l.run(ctx)
	})
}
