package histories

import (
	"context"
	"sync/atomic"

	"github.com/docent-zk/docent/lock"
)

// PermitPlay is a semaphore, of which several permits are taken at once.
type PermitPlay struct {
	Play
	Limit  int  // at the beginning, and at the end
	Shared bool // the limit is a node, and changes

	bundles atomic.Int64
	setter  chan struct{} // holds a token while somebody sets the limit
}

const (
	poolPath  = "/histories/semaphore"
	limitPath = "/histories/limit"
)

// Run plays it. The error says what must not be and is not in the history.
func (p *PermitPlay) Run() error {
	p.setter = make(chan struct{}, 1)
	if p.Shared {
		if err := p.setUp(); err != nil {
			return err
		}
	}
	return p.perform(func(a *actor) { (&permitActor{a, p}).round() }, func(a *actor) { (&permitActor{a, p}).last() }, func(client int) *Call {
		return p.History.Begin(stormRow, PermitInput{Kind: Kill, Client: client})
	})
}

func (p *PermitPlay) setUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience*p.Timeout)
	defer cancel()
	return lock.NewSharedSemaphore(p.Ground.Clients()[0], poolPath, limitPath).SetLimit(ctx, p.Limit)
}

type permitActor struct {
	*actor
	play *PermitPlay
}

// semaphore is as this actor believes it to be.
func (a *permitActor) semaphore() *lock.Semaphore {
	var opts []lock.Option
	if a.oneIn(2) {
		opts = append(opts, lock.Hold(0))
	}
	if a.play.Shared {
		return lock.NewSharedSemaphore(a.cli, poolPath, limitPath, opts...)
	}
	limit := a.play.Limit
	if a.Mutant == OnePermitMore && a.client == 0 {
		limit++
	}
	return lock.NewSemaphore(a.cli, poolPath, limit, opts...)
}

func (a *permitActor) round() {
	if a.play.Shared && a.oneIn(4) {
		a.resize(a.r.IntN(a.play.Limit+2), a.calm)
	}
	ctx, cancel := a.impatient()
	defer cancel()
	a.take(ctx, 1+a.r.IntN(a.play.Limit))
}

// resize sets the limit. It goes on until it is set, or all is over.
func (a *permitActor) resize(limit int, unless context.Context) {
	a.play.setter <- struct{}{}
	defer func() { <-a.play.setter }()
	if unless.Err() != nil {
		return
	}
	call := a.History.Begin(a.number, PermitInput{Kind: Resize, Count: limit})
	if err := a.semaphore().SetLimit(a.ctx, limit); err != nil {
		a.fail("%v did not set the limit: %w", a, err)
		return
	}
	call.End(nil)
}

// take takes permits, holds them and gives them back. It reports whether it got them.
func (a *permitActor) take(ctx context.Context, n int) bool {
	id := int(a.play.bundles.Add(1))
	call := a.History.Begin(a.number, PermitInput{Kind: Take, Bundle: id, Count: n, Client: a.client, Who: a.String()})
	held, err := a.semaphore().Acquire(ctx, n)
	if err != nil {
		call.Drop()
		return false
	}
	call.End(nil)
	t := a.begin(held.Context(), func() *Call { return a.History.Begin(a.number, PermitInput{Kind: Return, Bundle: id}) })
	if a.Mutant == Deaf {
		Wait(a.ctx, a.stint())
	} else {
		Wait(held.Context(), a.stint())
	}
	t.end()
	_ = held.Unlock(a.ctx) // it may have been lost: the history knows
	return true
}

// last takes one permit, which must be had under the limit of the beginning.
func (a *permitActor) last() {
	if a.play.Shared {
		a.resize(a.play.Limit, a.ctx)
	}
	if !a.take(a.ctx, 1) {
		a.fail("%v got no permit %w", a, errCalm)
	}
}
