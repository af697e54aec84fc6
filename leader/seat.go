package leader

import (
	"context"
	"fmt"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/telemetry"
)

// seat is a term of Campaign.
type seat struct {
	election *Election

	mu       sync.Mutex
	claim    *contend.Claim  // replaced after a failed transfer
	ctx      context.Context // ends with the claim
	hold     *telemetry.Hold
	resigned bool
	moving   chan struct{} // closed when the running transfer has ended; nil if there is none
}

func (s *seat) present() *contend.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim
}

// take makes a claim the one that the term depends on.
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

// resign waits for a running transfer. If that fails, the term is resigned anyway.
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

// concluded reports the end of the term to telemetry without delay, if it has ended.
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
		return nil, fmt.Errorf("%s: %w: another transfer is running", s.claim.Path(), ErrNotLeader)
	}
	s.moving = make(chan struct{})
	return s.claim, nil
}

// settle ends a transfer. next is the claim to continue with; nil if there is none.
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
