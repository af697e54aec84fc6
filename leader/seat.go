package leader

import (
	"context"
	"fmt"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// seat is a term from Campaign.
type seat struct {
	election *Election

	mu       sync.Mutex
	claim    *contend.Claim  // another one after a transfer that has failed
	ctx      context.Context // the claim's
	hold     *telemetry.Hold
	resigned bool
	moving   chan struct{} // closed when the transfer that is under way has ended; nil when there is none
}

func (s *seat) present() *contend.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim
}

// take has the term stand on a claim.
func (s *seat) take(claim *contend.Claim) {
	ctx, hold := s.election.hold(claim)
	hold.Until(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claim, s.ctx, s.hold = claim, ctx, hold
}

func (s *seat) context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// resign waits for a transfer that is under way. One that fails does not keep what was resigned from.
func (s *seat) resign(ctx context.Context) error {
	s.mu.Lock()
	s.resigned = true
	moving := s.moving
	s.mu.Unlock()
	if moving != nil {
		select {
		case <-moving:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s is being transferred, after which nothing is held: %w", framework.ErrReleasing, s.present().Path(), framework.ContextError(ctx))
		}
	}
	err := s.present().Release(ctx)
	s.concluded(ctx)
	return err
}

// concluded tells telemetry without delay that the term is over, if it is.
func (s *seat) concluded(ctx context.Context) {
	s.mu.Lock()
	term, hold := s.ctx, s.hold
	s.mu.Unlock()
	hold.End(context.Cause(term))
	hold.Told(ctx)
}

func (s *seat) resignTo(ctx context.Context, id string) error {
	claim, err := s.begin()
	if err != nil {
		return err
	}
	var next *contend.Claim
	defer func() { s.settle(ctx, next) }()
	if err := s.election.transferable(ctx, claim, id); err != nil {
		return err
	}
	next, err = claim.Pass(ctx, successor(id))
	if err != nil {
		return s.election.wrap(fmt.Errorf("transfer to %q: %w", id, err))
	}
	return nil
}

// begin reserves the term for a transfer.
func (s *seat) begin() (*contend.Claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := standing(s.claim.Context(), s.claim); err != nil {
		return nil, err
	}
	if s.moving != nil {
		return nil, fmt.Errorf("%s: %w: another transfer is under way", s.claim.Path(), ErrNotLeader)
	}
	s.moving = make(chan struct{})
	return s.claim, nil
}

// settle ends a transfer. next is the claim to lead on with, nil if there is no other one.
func (s *seat) settle(ctx context.Context, next *contend.Claim) {
	s.concluded(ctx)
	if next != nil {
		s.take(next)
	}
	s.mu.Lock()
	close(s.moving)
	s.moving = nil
	resigned := s.resigned
	s.mu.Unlock()
	if resigned {
		release(ctx, s.present())
	}
}
