package leader

import (
	"cmp"
	"context"
	"errors"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// Run is New(cli, path, opts...).Run(ctx, lead).
func Run(ctx context.Context, cli *framework.Client, path string, lead func(ctx context.Context, t *Term) error, opts ...Option) error {
	return New(cli, path, opts...).Run(ctx, lead)
}

// Run campaigns and calls lead each time it becomes the leader. It returns when
//
//   - lead returns while its context is alive: Run releases leadership and returns lead's error;
//   - ctx ends: Run waits for lead to return, and returns its error, or the cause of ctx if that is nil;
//   - the client is closed: framework.ErrClosed;
//   - the servers refuse the candidate before it has been in the queue, for example with framework.ErrNoAuth;
//   - lead is nil.
//
// Run does not release leadership, or campaign again, until lead has returned. If lead panics, leadership is released.
//
// If the term ends for another reason, Run ignores lead's error and campaigns again. This includes [Term.Resign] and
// [Term.ResignTo], which end the term but not the candidacy. They are carried out when lead has returned. To hand over
// and then stop, call ResignTo and end ctx.
//
// What the servers refuse after the candidate has been in the queue is retried, after pauses that grow from 100 ms to
// 30 s. Until it succeeds, it is in [framework.Client.Health] and in the log.
func (e *Election) Run(ctx context.Context, lead func(ctx context.Context, t *Term) error) error {
	if lead == nil {
		return e.wrap(errors.New("the leader function is nil"))
	}
	r := &run{Election: e, lead: lead, caller: ctx}
	if err := e.enter(ctx, r.campaign); err != nil {
		return err
	}
	return r.result
}

// run is one call of Run.
type run struct {
	*Election
	lead   func(context.Context, *Term) error
	caller context.Context
	result error // what Run returns when the engine returns nil
}

// campaign campaigns and leads in one session.
func (r *run) campaign(ctx context.Context, s *framework.Session) error {
	for {
		claim, err := r.acquire(ctx, s, r.queue())
		if err != nil {
			return err
		}
		again := true
		for claim != nil { // repeated if a transfer fails
			claim, again, err = r.term(ctx, s, claim)
		}
		if !again {
			return err
		}
	}
}

// term calls lead, and releases leadership when lead has returned or panicked. It returns a claim if a transfer has
// failed, with which the candidate continues to lead. lead's error goes to r.result only: the engine must not see it,
// since a framework.ErrSessionLost from another session would look like the loss of this one.
func (r *run) term(ctx context.Context, s *framework.Session, claim *contend.Claim) (next *contend.Claim, again bool, err error) {
	m := newMandate(r.Election, claim)
	defer m.hold.Told(ctx) // after the node has been deleted
	defer func() {
		if next == nil { // even during a panic
			release(ctx, claim)
		}
	}()
	defer m.end(ErrResigned)
	defer context.AfterFunc(ctx, func() { m.end(context.Cause(ctx)) })()
	returned := m.report(s)
	err = r.lead(m.ctx, &Term{m})
	returned()
	cause, successor := m.conclude()
	m.hold.End(context.Cause(m.ctx))
	again, err = r.judge(ctx, cause, err)
	if successor != nil {
		next = r.handOver(ctx, claim, *successor, again)
	}
	return next, again, err
}

// judge decides what follows a term that ended with cause (nil if it had not ended) and in which lead returned err.
func (r *run) judge(ctx context.Context, cause, err error) (again bool, _ error) {
	switch {
	case cause == nil: // lead returned by itself
		r.result = err
		return false, nil
	case r.caller.Err() != nil:
		r.result = cmp.Or(err, framework.ContextError(r.caller))
		return false, nil
	case ctx.Err() != nil: // the session has been lost or the client closed
		return false, context.Cause(ctx)
	case errors.Is(cause, ErrDeleted), errors.Is(cause, ErrResigned):
		return true, nil
	}
	return false, cause // suspended or untrusted: the engine runs the campaign again
}

// handOver carries out a ResignTo. It returns a claim if the transfer has failed and the candidate is to continue.
func (r *run) handOver(ctx context.Context, claim *contend.Claim, id string, again bool) *contend.Claim {
	limited, cancel := outlasting(ctx, claim.Session())
	defer cancel()
	next, _ := claim.Pass(limited, successor(id)) // lead runs again if the transfer fails
	if next != nil && (!again || ctx.Err() != nil) {
		release(ctx, next)
		return nil
	}
	return next
}

// release removes the node before Run continues, so that the next leader follows soon after Run has returned. If the
// servers do not reply, the removal continues in the background.
func release(ctx context.Context, claim *contend.Claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claim.Session().Timeout()/4)
	defer cancel()
	_ = claim.Release(ctx) // the term's context has the cause
}

// outlasting returns a context for what remains to be done after ctx. It lives as long as the session can live without
// a reply. Once ctx has ended, it lives a quarter of that.
func outlasting(ctx context.Context, s *framework.Session) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Timeout())
	stop := context.AfterFunc(ctx, func() {
		short, done := context.WithTimeout(limited, s.Timeout()/4)
		defer done()
		<-short.Done()
		cancel()
	})
	return limited, func() {
		stop()
		cancel()
	}
}
