package framework

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docent-zk/docent/internal/telemetry"
	"github.com/docent-zk/docent/retry"
)

// AnyVersion makes a set or delete apply to any version of the node.
const AnyVersion int32 = -1

// Node is a node as it was read or created.
type Node struct {
	Path string // absolute, in the client's namespace
	Data []byte // empty and null are both of length 0
	Stat Stat   // as returned together with the data
}

// ops are the operations of a client, or of one session of it, in a namespace.
type ops struct {
	core     *core
	space    space
	fixed    *epoch // the only epoch to run in; nil for the current one
	failFast bool   // do not wait for a connection
}

// request is an operation in progress: how to send it, and how to find out its outcome.
type request struct {
	op, path   string // as the caller sees them
	size       int    // upper bound for its body, in bytes
	repeatable bool   // applying it twice is harmless
	passing    bool   // the session's end removes what it creates
	inParts    bool   // part of it may have been applied even if it returns an error
	try        func(ctx context.Context, e *epoch) error
	// settle finds out the outcome of an attempt whose reply was lost. It runs after a sync.
	settle func(ctx context.Context, e *epoch) (verdict, error)
}

// verdict is what the tree says about a request whose reply was lost. An error comes with it: the server's reply for
// refused, and why the tree could not be read for undecided.
type verdict int

const (
	undecided verdict = iota
	applied
	notApplied
	refused
)

// sessionRetries spaces the retries of an operation while its session may still live.
var sessionRetries = retry.Exponential(10*time.Millisecond, time.Second)

// errLate explains why an outcome is unknown although nothing has been applied so far.
var errLate = errors.New("it has not been applied so far, but may be later: the servers may still keep the lost session in which it was sent")

// errAstray explains the same for a server that does not know the outcome.
var errAstray = errors.New("it has not been applied so far, but may be later: the server replied that it does not know the outcome")

// errOperationTimeout is the cause when Config.OperationTimeout ends an operation.
var errOperationTimeout = fmt.Errorf("OperationTimeout has passed: %w", context.DeadlineExceeded)

// do runs r until its outcome is known, or cannot be known, and reports it to telemetry.
func (o *ops) do(ctx context.Context, r request) error {
	ctx, op := o.core.telemetry.Operation(ctx, r.op, r.path)
	o.core.service.begin()
	err := o.perform(ctx, r, op)
	o.core.service.end(err)
	if op != nil {
		op.End(ctx, o.core.result(err))
	}
	return err
}

// perform implements do. op is nil if telemetry is off.
func (o *ops) perform(ctx context.Context, r request, op *telemetry.Operation) error {
	ctx, limit := o.bounded(ctx)
	defer limit.release()
	a := attempt{request: r, ops: o}
	for {
		if op != nil {
			o.tellWait(op, a.needs())
		}
		e, err := o.connection(ctx, a.needs())
		if err != nil {
			return a.fail(err)
		}
		err = a.step(ctx, e)
		if a.baffled(err) {
			return a.fail(err)
		}
		switch outcomeOf(err) {
		case answered:
			return a.answer(err)
		case ended:
			return a.fail(err)
		case notSent:
			if errors.Is(err, errMoving) { // the gate opens soon
				continue
			}
			if out := a.lost(err); out != nil { // of a request that r needs first
				return a.fail(out)
			}
		case unknown:
			if errors.Is(err, ErrReplyRefused) {
				return a.fail(err)
			}
			if out := a.length.out(a.size, err); out != nil {
				return a.fail(out)
			}
			if out := a.lost(err); out != nil {
				return a.fail(out)
			}
		}
		if stop := a.pause(ctx); stop != nil {
			return a.fail(a.why(stop, err))
		}
		if op != nil {
			op.Retried(retryCause(err), err)
		}
	}
}

// bounded applies OperationTimeout if nothing else bounds the operation. The limit, which may be nil, has to be
// released.
func (o *ops) bounded(ctx context.Context) (context.Context, *limited) {
	limit := o.core.bounds().operation
	if _, has := ctx.Deadline(); has || o.fixed != nil || limit < 0 {
		return ctx, nil
	}
	c := &limited{Context: ctx, deadline: time.Now().Add(limit), cause: errOperationTimeout}
	return c, c
}

func (o *ops) retries() retry.Policy {
	if o.fixed != nil {
		return sessionRetries
	}
	return o.core.cfg.RetryPolicy
}

// await waits at the gate for a connection. It returns [ErrClosed] when closed is closed.
func (o *ops) await(ctx context.Context, closed <-chan struct{}) (*epoch, error) {
	return o.awaitFor(ctx, writes, closed)
}

// awaitFor waits at the gate for a connection of the kind that n needs.
func (o *ops) awaitFor(ctx context.Context, n need, closed <-chan struct{}) (*epoch, error) {
	return o.wait(ctx, n, closed, false)
}

// wait is awaitFor. With failFast, it only waits for the end of a planned move.
func (o *ops) wait(ctx context.Context, n need, closed <-chan struct{}, failFast bool) (*epoch, error) {
	for {
		g := o.core.gate.Load()
		if e, err := o.through(ctx, g, n, closed); e != nil || err != nil {
			return e, err
		}
		if failFast && !g.returns(o.fixed) {
			return nil, o.core.notConnected(errFailFast)
		}
		select {
		case <-g.changed:
		case <-o.lost():
		case <-closed:
		case <-ctx.Done():
		}
	}
}

// through returns the epoch to send in, or an error if the operation has to end, or neither if it has to wait at the
// gate.
func (o *ops) through(ctx context.Context, g *gate, n need, closed <-chan struct{}) (*epoch, error) {
	switch {
	case isClosed(closed):
		return nil, ErrClosed
	case ctx.Err() != nil && g.servesReads(o.fixed):
		return nil, ContextError(ctx)
	case ctx.Err() != nil:
		return nil, o.core.notConnected(ContextError(ctx))
	case o.fixed != nil && o.fixed.ctx.Err() != nil:
		return nil, context.Cause(o.fixed.ctx)
	case g.serves(o.fixed), n == reads && g.servesReads(o.fixed):
		return g.epoch, nil
	case n == refusable && g.readOnly(o.fixed):
		return nil, g.errReadOnlyServer()
	}
	return nil, nil
}

// needs returns the kind of connection that the next attempt needs. Only a full server can tell the outcome of a write.
func (a *attempt) needs() need {
	switch {
	case !changes(a.op) && a.op != "sync":
		return reads
	case a.doubt:
		return writes
	}
	return refusable
}

// serves reports whether an operation can be sent in the gate's epoch, which must be fixed if that is not nil. An epoch
// may have ended before the gate says so.
func (g *gate) serves(fixed *epoch) bool {
	return g.State.Connected() && g.paused == nil && g.epoch.ctx.Err() == nil && (fixed == nil || fixed == g.epoch)
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// lost returns a channel that is closed when the operations' session has ended; nil for a Client's operations.
func (o *ops) lost() <-chan struct{} {
	if o.fixed == nil {
		return nil
	}
	return o.fixed.ctx.Done()
}

// attempt is the state of one request between its attempts.
type attempt struct {
	request
	ops    *ops
	pauses *retry.Attempts
	tries  int
	doubt  bool      // the reply to an attempt was lost
	sentIn *epoch    // the session of that attempt
	astray error     // its reply, if that says that the server does not know the outcome
	odds   int       // replies without a known meaning
	length *oversize // nil unless the request is long

	mayBeApplied bool      // an earlier attempt may have been applied
	lostAt       time.Time // when a reply was first lost on a connection that stayed up; zero before
}

// next returns the next pause, or [retry.ErrExhausted]. The policy may be a user's.
func (a *attempt) next() (delay time.Duration, err error) {
	err = guarded("RetryPolicy", a.path, func() error {
		if a.pauses == nil {
			a.pauses = a.ops.retries().WithRand(a.ops.core.random.float64).Start()
		}
		d, ok := a.pauses.Next()
		if delay = d; !ok {
			return retry.ErrExhausted
		}
		return nil
	}, a.ops.core.panicked)
	return delay, err
}

// pause waits until the next attempt is due, or returns why there is none.
func (a *attempt) pause(ctx context.Context) error {
	if ctx.Err() != nil {
		return ContextError(ctx)
	}
	delay, err := a.next()
	if err != nil {
		return err
	}
	if a.ops.refuses() {
		return nil // there is nothing to wait for
	}
	t := time.NewTimer(delay)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.ops.lost():
	case <-a.ops.core.quit:
	case <-ctx.Done():
	}
	return ContextError(ctx)
}

// step sends the request. If the outcome of the last attempt is unknown, it first settles that.
func (a *attempt) step(ctx context.Context, e *epoch) error {
	if err := e.fit(a.size); err != nil { // also for the read that settles, which contains the same paths
		return err
	}
	if a.doubt {
		v, err := a.resolve(ctx, e)
		if err != nil || v == applied {
			return err
		}
		a.doubt = false
		a.mayBeApplied = a.mayBeApplied || a.op == "create" // another client may have deleted the node before this read
	}
	if isLong(a.size) {
		ctx = a.judged(ctx)
	}
	err := answerTo(a.op, a.try(ctx, e))
	known := outcomeOf(err)
	if known != notSent {
		a.tries++
	}
	if known != unknown && known != ended {
		return err
	}
	if a.repeatable {
		a.mayBeApplied = true
		return err
	}
	a.doubt, a.sentIn, a.astray = true, e, nil
	if isOdd(err) {
		a.astray = err
	}
	if known == unknown && a.settle == nil {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, e.why(err))
	}
	return err
}

// judged returns a context in which lost connections are attributed to the length of long queries.
func (a *attempt) judged(ctx context.Context) context.Context {
	if a.length == nil {
		a.length = new(oversize)
	}
	return context.WithValue(ctx, oversizeKey{}, a.length)
}

// baffled counts replies without a known meaning, and reports whether there were too many.
func (a *attempt) baffled(err error) bool {
	if outcomeOf(err) != answered && isOdd(err) {
		a.odds++
	}
	return a.odds >= maxOdd
}

// resolve settles the outcome of the last attempt, or returns why it cannot be settled now or ever. That the request
// has not been applied so far does not count while it can still be applied late.
func (a *attempt) resolve(ctx context.Context, e *epoch) (verdict, error) {
	v, err := a.look(ctx, e)
	err = ofAnother(err)
	if v == notApplied || v == refused {
		switch {
		case a.astray != nil && a.sentIn == e:
			v, err = undecided, a.strayed()
		case !a.passing && mayComeLate(a.sentIn, e):
			v, err = undecided, errLate
		}
	}
	switch {
	case v == undecided && err == nil:
		err = ErrOutcomeUnknown
	case errors.Is(err, errLate), errors.Is(err, errAstray):
		err = fmt.Errorf("%w; %w", ErrOutcomeUnknown, err)
	case v == undecided && outcomeOf(err) == answered: // the read was refused, not the operation
		err = fmt.Errorf("%w, and the read that would tell is refused: %w", ErrOutcomeUnknown, err)
	}
	return v, err
}

// strayed returns the error of a write that a server has lost track of. It contains the server's reply, which may be a
// refusal of other operations.
func (a *attempt) strayed() error {
	if errors.Is(a.astray, ErrRequestTimeout) {
		return fmt.Errorf("%w (%w)", errAstray, ErrRequestTimeout)
	}
	return fmt.Errorf("%w (%v)", errAstray, a.astray)
}

// look settles the outcome after a sync, because this server may lag behind the previous one.
func (a *attempt) look(ctx context.Context, e *epoch) (verdict, error) {
	if err := e.sync(ctx, a.where()); err != nil {
		return undecided, err
	}
	return a.settle(ctx, e)
}

// ofAnother wraps the error of another request that the operation needs. If that request is still pending, its outcome
// says nothing about the operation.
func ofAnother(err error) error {
	var left *errCallEnded
	if !errors.As(err, &left) {
		return err
	}
	return &errCallEnded{cause: left.cause, done: left.done, late: func() error { return errNotAdmitted }}
}

// where returns the operation's path in the servers' form; the root for an operation without a path.
func (a *attempt) where() string {
	at, err := a.ops.space.resolve(cmp.Or(strings.TrimRight(a.path, "/"), "/"))
	if err != nil {
		return "/"
	}
	return at
}

// answer wraps the server's reply.
func (a *attempt) answer(err error) error {
	a.over(true)
	if err != nil {
		return a.wrap(a.ops.core.explain(a.op, a.path, err), a.unapplied(err, true))
	}
	return nil
}

// fail wraps the reason why the operation ended, and says so if it may have been applied.
func (a *attempt) fail(err error) error {
	a.over(false)
	err = a.ops.core.blame(advised(err))
	if a.doubt && !errors.Is(err, ErrOutcomeUnknown) {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return a.wrap(err, a.unapplied(err, false))
}

func (a *attempt) wrap(err error, unapplied bool) error {
	e := a.ops.failUnsent(a.op, a.path, err)
	e.Attempts, e.unapplied = a.tries, unapplied
	return e
}

// why chooses between the reason to stop and the failure of the last attempt, which explains it.
func (a *attempt) why(stop, last error) error {
	if errors.Is(stop, retry.ErrExhausted) {
		return fmt.Errorf("given up by the retry policy: %w", last)
	}
	if errors.Is(last, stop) {
		return last
	}
	if isThrottled(last) {
		return fmt.Errorf("%w: %w", stop, ErrThrottled)
	}
	return fmt.Errorf("%w (%v)", stop, last)
}
