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

// Run stands in the election and calls lead when it is won, again and again, until
//
//   - lead returns while its context is alive: Run gives up leadership and returns what lead returned;
//   - ctx ends: Run waits for lead to return, and returns what it returned, or the cause of ctx if that was nil;
//   - the client is closed: framework.ErrClosed;
//   - the servers refuse the candidate before it has been in the queue, for example with framework.ErrNoAuth.
//
// A candidate that was in the queue once is not given up. What the servers refuse later is tried again, after pauses that grow
// from 100 ms to 30 s, and is in [framework.Client.Health] and in the log until it works. An error if lead is nil.
//
// When the term ends for another reason, what lead returns is not looked at and the candidate stands again. That includes
// [Term.Resign] and [Term.ResignTo]: they give up the term, not the candidacy, and are carried out when lead has returned.
// Whoever wants to hand over and then to stop calls ResignTo and ends ctx.
func (e *Election) Run(ctx context.Context, lead func(ctx context.Context, t *Term) error) error {
	if lead == nil {
		return e.wrap(errors.New("the leader function is nil"))
	}
	r := &run{Election: e, lead: lead, caller: ctx}
	if err := e.enter(ctx, r.stand); err != nil {
		return err
	}
	return r.result
}

// run is one call of Run.
type run struct {
	*Election
	lead   func(context.Context, *Term) error
	caller context.Context
	result error // of Run, when the engine returns nil
}

// stand campaigns and leads in one session, until the session or the campaign is over.
func (r *run) stand(ctx context.Context, s *framework.Session) error {
	for {
		claim, err := r.acquire(ctx, s, r.queue())
		if err != nil {
			return err
		}
		again := true
		for claim != nil { // more than once if a transfer fails
			claim, again, err = r.term(ctx, s, claim)
		}
		if !again {
			return err
		}
	}
}

// term calls lead and lets go behind it, however it ends. It returns a claim if a transfer has failed: then the candidate
// leads on. What lead returns is never shown to the engine, which would take a framework.ErrSessionLost out of some other
// session for the end of this one: where it counts, it is r.result.
func (r *run) term(ctx context.Context, s *framework.Session, claim *contend.Claim) (next *contend.Claim, again bool, err error) {
	m := newMandate(r.Election, claim)
	defer m.hold.Told(ctx) // not before the node is gone
	defer func() {
		if next == nil { // also on the way out of a panic
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

// judge decides what a term comes to that has ended with cause, nil if it has not, and of which lead has returned err.
func (r *run) judge(ctx context.Context, cause, err error) (again bool, _ error) {
	switch {
	case cause == nil: // lead has had enough
		r.result = err
		return false, nil
	case r.caller.Err() != nil:
		r.result = cmp.Or(err, framework.ContextError(r.caller))
		return false, nil
	case ctx.Err() != nil: // the session or the client is over
		return false, context.Cause(ctx)
	case errors.Is(cause, ErrDeleted), errors.Is(cause, ErrResigned):
		return true, nil
	}
	return false, cause // suspended or untrusted: the engine runs the campaign again
}

// handOver carries out a ResignTo. It returns a claim if that has failed and the candidate wants to lead on.
func (r *run) handOver(ctx context.Context, claim *contend.Claim, id string, again bool) *contend.Claim {
	limited, cancel := outlasting(ctx, claim.Session())
	defer cancel()
	next, _ := claim.Pass(limited, successor(id)) // lead sees by itself that it leads again
	if next != nil && (!again || ctx.Err() != nil) {
		release(ctx, next)
		return nil
	}
	return next
}

// release removes the node before Run goes on, so that whoever sees Run return sees the next leader soon; when the servers
// do not answer, it goes on in the background.
func release(ctx context.Context, claim *contend.Claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claim.Session().Timeout()/4)
	defer cancel()
	_ = claim.Release(ctx) // why the term ended is in its context
}

// outlasting is a context for what is still to be done: it lives as long as the session can without an answer, and when
// ctx ends a quarter of that.
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
