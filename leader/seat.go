package leader

import (
	"context"
	"fmt"
	"sync"

	"github.com/docent-zk/docent/internal/contend"
)

// seat is a term from Campaign.
type seat struct {
	election *Election

	mu       sync.Mutex
	claim    *contend.Claim // another one after a transfer that has failed
	resigned bool
	moving   chan struct{} // closed when the transfer that is under way has ended; nil when there is none
}

func (s *seat) present() *contend.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim
}

func (s *seat) context() context.Context { return s.present().Context() }

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
			return fmt.Errorf("%s: a transfer is under way, after which nothing is held: %w", s.present().Path(), context.Cause(ctx))
		}
	}
	return s.present().Release(ctx)
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
	if err := standing(s.claim, s.claim.Context()); err != nil {
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
	s.mu.Lock()
	if next != nil {
		s.claim = next
	}
	close(s.moving)
	s.moving = nil
	resigned := s.resigned
	s.mu.Unlock()
	if resigned {
		release(ctx, s.present())
	}
}
