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

// AnyVersion makes set and delete apply whatever the node's version is.
const AnyVersion int32 = -1

// Node is a node as it was read or created.
type Node struct {
	Path string // absolute, in the client's namespace
	Data []byte // empty and null are both of length 0
	Stat Stat   // as the server returned it together with the data
}

// ops are the operations of a client, or of one session of it, in a namespace.
type ops struct {
	core     *core
	space    space
	fixed    *epoch // the only epoch to run in; nil means the current one
	failFast bool   // they do not wait for a connection
}

// request is one operation on its way: how to send it, and how to find out what became of it.
type request struct {
	op, path   string // as the caller sees them
	size       int    // of its body at the most, in bytes
	repeatable bool   // applying it twice is harmless
	passing    bool   // what it makes goes with the session that it was sent in
	inParts    bool   // its error does not say that no part of it was applied
	try        func(ctx context.Context, e *epoch) error
	// settle looks at what became of a try whose answer was lost. It runs behind a sync.
	settle func(ctx context.Context, e *epoch) (verdict, error)
}

// verdict is what a look at the tree says of a request whose answer was lost. The error that comes along is the server's
// answer with refused, and why the look has failed with undecided.
type verdict int

const (
	undecided verdict = iota
	applied
	notApplied
	refused
)

// sessionRetries spaces the repetitions of an operation whose session may still live.
var sessionRetries = retry.Exponential(10*time.Millisecond, time.Second)

// errLate explains an outcome that is unknown although nothing was applied so far.
var errLate = errors.New("it was not applied so far, but may be yet: the servers may still keep the session in which it was sent, which the client has lost")

// errAstray explains it too.
var errAstray = errors.New("it was not applied so far, but may be yet: the server's answer was that it does not know what became of it")

// errOperationTimeout is the cause of the end of an operation by Config.OperationTimeout.
var errOperationTimeout = fmt.Errorf("OperationTimeout has passed: %w", context.DeadlineExceeded)

// do runs r until its outcome is known, or cannot be, and has telemetry tell of it.
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

// perform is do; op is nil while nobody wants to know.
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
			if out := a.lost(err); out != nil { // of a request that goes ahead of it
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

// bounded applies OperationTimeout where nothing else bounds the operation. The limit, which may be nil, has to be released.
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

// await waits at the gate until there is a connection to send on. It returns [ErrClosed] when closed is.
func (o *ops) await(ctx context.Context, closed <-chan struct{}) (*epoch, error) {
	return o.awaitFor(ctx, writes, closed)
}

// awaitFor waits at the gate until there is a connection that will do.
func (o *ops) awaitFor(ctx context.Context, n need, closed <-chan struct{}) (*epoch, error) {
	return o.wait(ctx, n, closed, false)
}

// wait is awaitFor. With failFast it waits only for the end of a planned move.
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

// through returns the epoch to send in, an error if an operation has to end, and neither if it has to wait at the gate.
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

// needs is what the next try needs a connection for. What became of a write that was sent before can be told by a full server only.
func (a *attempt) needs() need {
	switch {
	case !changes(a.op) && a.op != "sync":
		return reads
	case a.doubt:
		return writes
	}
	return refusable
}

// serves reports whether an operation can be sent in the gate's epoch, if that is the one that it is fixed to. An epoch may
// be over before the gate says so.
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
	doubt  bool      // a try was sent and its answer lost
	sentIn *epoch    // that try
	astray error     // its answer, if that said that the server does not know what became of it
	odds   int       // answers that said neither yes nor no
	length *oversize // nil unless the request is long

	mayBeApplied bool      // an earlier try, as far as its reply and a look can tell
	lostAt       time.Time // when a reply was first lost on a connection that went on; zero before
}

// next returns the next pause, [retry.ErrExhausted] if there is none. The policy may be the user's own.
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

// pause waits until the next try is due, or would be pointless. It returns why there is none.
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

// step sends the request, or settles the doubt about the last try first.
func (a *attempt) step(ctx context.Context, e *epoch) error {
	if err := e.fit(a.size); err != nil { // ahead of the look too, which names the same paths
		return err
	}
	if a.doubt {
		v, err := a.resolve(ctx, e)
		if err != nil || v == applied {
			return err
		}
		a.doubt = false
		a.mayBeApplied = a.mayBeApplied || a.op == "create" // somebody may have deleted the node before the look
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

// judged has the long queries of a try judged by their length.
func (a *attempt) judged(ctx context.Context) context.Context {
	if a.length == nil {
		a.length = new(oversize)
	}
	return context.WithValue(ctx, oversizeKey{}, a.length)
}

// baffled counts answers that say neither yes nor no, and reports whether there were too many.
func (a *attempt) baffled(err error) bool {
	if outcomeOf(err) != answered && isOdd(err) {
		a.odds++
	}
	return a.odds >= maxOdd
}

// resolve settles the doubt about the last try, or returns why it cannot be settled now or ever. That it was not applied so
// far is no answer while it may come late.
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
	case v == undecided && outcomeOf(err) == answered: // the look was refused, not the operation
		err = fmt.Errorf("%w, and to look for it is refused: %w", ErrOutcomeUnknown, err)
	}
	return v, err
}

// strayed is the error of a write that a server has lost track of. It names the server's answer, which may be a refusal of other operations.
func (a *attempt) strayed() error {
	if errors.Is(a.astray, ErrRequestTimeout) {
		return fmt.Errorf("%w (%w)", errAstray, ErrRequestTimeout)
	}
	return fmt.Errorf("%w (%v)", errAstray, a.astray)
}

// look goes behind a sync: the server may be another one, which lags behind.
func (a *attempt) look(ctx context.Context, e *epoch) (verdict, error) {
	if err := e.sync(ctx, a.where()); err != nil {
		return undecided, err
	}
	return a.settle(ctx, e)
}

// ofAnother is the error of a request that is not the operation's own. If that was left behind, what becomes of it says nothing of the
// operation.
func ofAnother(err error) error {
	var left *errCallEnded
	if !errors.As(err, &left) {
		return err
	}
	return &errCallEnded{cause: left.cause, done: left.done, late: func() error { return errNotAdmitted }}
}

// where is the path that the operation is about, as the server knows it; the root for one that has none.
func (a *attempt) where() string {
	at, err := a.ops.space.resolve(cmp.Or(strings.TrimRight(a.path, "/"), "/"))
	if err != nil {
		return "/"
	}
	return at
}

// answer wraps what the server said.
func (a *attempt) answer(err error) error {
	a.over(true)
	if err != nil {
		return a.wrap(a.ops.core.explain(a.op, a.path, err), a.unapplied(err, true))
	}
	return nil
}

// fail wraps why the operation was given up, and says so when it may have been applied.
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

// why chooses between the reason to stop and the failure of the last try, which explains it.
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
