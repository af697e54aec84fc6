package leader

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// mandate is a term of Run, from the call of the leader function to its return.
type mandate struct {
	election *Election
	claim    *contend.Claim
	ctx      context.Context
	end      context.CancelCauseFunc
	hold     *telemetry.Hold

	mu        sync.Mutex
	successor *string // the id that was given to ResignTo; nil if it was not called
}

func newMandate(e *Election, claim *contend.Claim) *mandate {
	m := &mandate{election: e, claim: claim}
	ctx, hold := e.hold(claim)
	m.hold = hold
	m.ctx, m.end = framework.WithCancelCause(ctx)
	hold.Until(m.ctx)
	return m
}

func (m *mandate) present() *contend.Claim  { return m.claim }
func (m *mandate) context() context.Context { return m.ctx }

// report shows in the client's recipes that this candidate leads. Once the term has ended, it shows that the leader
// function is still running, until returned is called.
func (m *mandate) report(s *framework.Session) (returned func()) {
	attrs := m.claim.Attrs()
	s.Report("leading", nil, attrs...)
	said := make(chan struct{})
	stop := context.AfterFunc(m.ctx, func() {
		defer close(said)
		s.Report("function has not returned", fmt.Errorf("%w: %w", framework.ErrOverstayed, context.Cause(m.ctx)), attrs...)
	})
	return func() {
		if !stop() {
			<-said // so that the next report comes after this one
		}
		s.Report("letting go", nil, attrs...)
	}
}

// conclude ends the term when the leader function has returned. It returns the cause with which the term had ended
// before, nil if it had not, and the successor if ResignTo was called.
func (m *mandate) conclude() (cause error, successor *string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cause = context.Cause(m.ctx)
	m.end(ErrResigned)
	return cause, m.successor
}

func (m *mandate) resign(context.Context) error {
	m.end(ErrResigned)
	if cause := context.Cause(m.ctx); !errors.Is(cause, ErrResigned) {
		return fmt.Errorf("%s: the term had ended before: %w", m.claim.Path(), cause)
	}
	return nil
}

func (m *mandate) resignTo(ctx context.Context, id string) error {
	if err := m.standing(); err != nil {
		return err
	}
	if err := m.election.transferable(ctx, m.claim, id); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.standing(); err != nil {
		return err
	}
	m.successor = &id
	m.end(ErrResigned)
	return nil
}

// standing returns an error if the term has ended.
func (m *mandate) standing() error { return standing(m.ctx, m.claim) }

// standing returns ErrNotLeader if the term with that context has ended.
func standing(ctx context.Context, claim *contend.Claim) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", claim.Path(), ErrNotLeader, context.Cause(ctx))
}
