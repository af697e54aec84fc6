package framework

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// query is a request to the servers together with how its reply is decoded.
type query[T any] struct {
	op     int32
	at     string // the path, for errors
	body   wire.Body
	decode func(*jute.Decoder) T // nil if the reply has no content
	judge  func(T) error         // returns a refusal that the content carries; nil if there is none
	kind   wire.Kind             // nil if all servers know the request
	long   bool                  // the server may close the connection because of the request's length
}

// asked is a query that has been sent.
type asked[T any] struct {
	wire.Call
	answer T
}

func (q query[T]) call(ctx context.Context) *asked[T] {
	a := &asked[T]{}
	a.Op, a.Path, a.Body, a.Kind = q.op, q.at, q.body, q.kind
	if o := oversized(ctx); q.long && o != nil {
		a.Kind = &longKind{oversize: o, kind: q.kind}
	}
	if q.decode != nil {
		a.Decode = func(d *jute.Decoder) error {
			a.answer = q.decode(d)
			if q.judge != nil && d.Err() == nil {
				return q.judge(a.answer)
			}
			return nil
		}
	}
	return a
}

// ask sends a query in an epoch. It waits for the reply until ctx ends.
func ask[T any](ctx context.Context, e *epoch, q query[T]) (T, error) {
	a := q.call(ctx)
	if err := e.send(ctx, &a.Call); err != nil {
		var none T
		return none, err
	}
	return a.wait(ctx, e)
}

// written sends the query, together with calls whose replies it does not wait for, and waits for its reply until ctx
// ends. When it returns, the query has been written to the connection even if ctx has ended before: linger says how
// long that may take.
func (a *asked[T]) written(ctx context.Context, e *epoch, behind ...*wire.Call) (T, error) {
	a.Written = make(chan struct{})
	longer, cancel := ctx, func() {}
	if ctx.Err() != nil {
		longer, cancel = e.linger(ctx, a.Written)
	}
	defer func() { cancel() }()
	if err := e.sendThrough(longer, append([]*wire.Call{&a.Call}, behind...)...); err != nil {
		var none T
		return none, err
	}
	if longer == ctx && !a.await(ctx) {
		longer, cancel = e.linger(ctx, a.Written)
	}
	return a.wait(longer, e)
}

// send passes calls on as one group, with no other calls in between.
func (e *epoch) send(ctx context.Context, calls ...*wire.Call) error {
	if ctx.Err() != nil {
		return &unsentError{ContextError(ctx)}
	}
	_, deadline := until(ctx)
	for _, c := range calls {
		c.Deadline = deadline
	}
	g := e.core.gate.Load()
	if e.ctx.Err() == nil && (g.serves(e) || g.readOnly(e) && onlyReads(calls)) && e.wire.Send(calls...) == nil {
		return nil
	}
	if g.pausedIn(e) {
		return errPaused
	}
	return errNotAdmitted
}

// sendThrough is send, but waits while the session moves to another connection.
func (e *epoch) sendThrough(ctx context.Context, calls ...*wire.Call) error {
	for {
		g := e.core.gate.Load()
		err := e.send(ctx, calls...)
		if !errors.Is(err, errMoving) {
			return err
		}
		if g.pausedIn(e) && e.core.changed(ctx, g) != nil {
			return err
		}
	}
}

// await waits for the reply or the end of ctx. It reports whether the query is complete; if not, the query is still
// pending.
func (a *asked[T]) await(ctx context.Context) (over bool) {
	gaveUp, _ := until(ctx)
	return a.Await(gaveUp)
}

// wait waits for the reply.
func (a *asked[T]) wait(ctx context.Context, e *epoch) (T, error) {
	gaveUp, _ := until(ctx)
	over, err := a.Wait(gaveUp)
	if !over {
		var none T
		return none, e.leftBehind(ctx, &a.Call)
	}
	if err = callError(ctx, err); ofKind(a.Kind) && isUnimplemented(err) {
		err = &unsentError{fmt.Errorf("the server does not support the request: %w", err)}
	}
	return a.answer, err
}

// leftBehind returns the error of a call that is abandoned because ctx has ended.
func (e *epoch) leftBehind(ctx context.Context, c *wire.Call) error {
	done, late := c.Left()
	return &errCallEnded{cause: ContextError(ctx), done: done, late: func() error { return callError(ctx, *late) }}
}

// callError returns the error of an operation for the error of its call.
func callError(ctx context.Context, err error) error {
	if err == nil {
		return nil // without an allocation
	}
	return errorOfCall(ctx, err)
}

func errorOfCall(ctx context.Context, err error) error {
	var code *wire.CodeError
	var part *refusedPart
	switch {
	case errors.Is(err, wire.ErrUnanswered): // why the connection ended is left out: it may concern another request
		return fmt.Errorf("%w (%w)", zk.ErrConnectionClosed, err)
	case errors.As(err, &code):
		return codeError(code.Code)
	case errors.As(err, &part):
		return part
	case errors.Is(err, wire.ErrNotSent) && ctx.Err() != nil:
		return &unsentError{ContextError(ctx)}
	case errors.Is(err, wire.ErrNotSent) && errors.Is(err, errMoving):
		return errPaused
	case errors.Is(err, wire.ErrNotSent):
		return errNotAdmitted
	case errors.Is(err, wire.ErrReplyTooLong), errors.Is(err, wire.ErrMalformed):
		return fmt.Errorf("%w: %w", ErrReplyRefused, err)
	}
	return fmt.Errorf("%w (%v)", zk.ErrConnectionClosed, err)
}

// codeError returns the error for a server's error code.
func codeError(code int32) error {
	for _, named := range codeErrors {
		if named.code == code {
			return named.err
		}
	}
	return fmt.Errorf("%s%d", unknownCode, code)
}
