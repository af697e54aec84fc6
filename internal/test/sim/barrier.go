package sim

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
)

// barrierPart is a barrier that some set and remove, and at which others wait.
type barrierPart struct {
	*base
	hist   *history
	passed atomic.Int64
}

func drawBarrier(b *base) part { return &barrierPart{base: b} }

func (b *barrierPart) open() error {
	b.hist = b.w.follow(b.path)
	return nil
}

func (b *barrierPart) settled()     {}
func (b *barrierPart) rested()      {}
func (b *barrierPart) judge() error { return nil }
func (b *barrierPart) grants() int  { return int(b.passed.Load()) }

func (b *barrierPart) join(client int, cli *framework.Client) error {
	if u := b.newUser(client, cli, "operator"); client == 0 || oneIn(b.r, 4) {
		bar := barrier.New(cli, u.own(b.path))
		b.users.Go(func() { b.operate(u, bar) })
	}
	for i := range 1 + b.r.IntN(2) {
		u := b.newUser(client, cli, fmt.Sprint("waiter ", i))
		bar := barrier.New(cli, u.own(b.path))
		b.users.Go(func() { b.wait(u, bar) })
	}
	return nil
}

// operate sets and removes the barrier until there is calm, and removes it for good then.
func (b *barrierPart) operate(u *user, bar *barrier.Barrier) {
	u.during(func() {
		ctx, cancel := u.bounded()
		defer cancel()
		if u.oneOf("Set", "Remove") == "Set" {
			b.mustBe(u, ctx, "Set", bar.Set, b.hist.thereBetween)
			u.pause(u.ctx, u.upTo(6*u.Timeout)) // so that sessions end while others wait
			return
		}
		b.mustBe(u, ctx, "Remove", bar.Remove, b.hist.goneBetween)
		u.pause(u.ctx, u.upTo(u.Timeout/2))
	})
	for u.ctx.Err() == nil { // another operator may set it a last time
		b.mustBe(u, u.ctx, "Remove", bar.Remove, b.hist.goneBetween)
		t := time.NewTimer(u.Timeout)
		select {
		case <-t.C:
		case <-u.ctx.Done():
			t.Stop()
		}
	}
}

// wait waits at the barrier again and again, and a last time when there is calm.
func (b *barrierPart) wait(u *user, bar *barrier.Barrier) {
	u.plays("Wait")
	u.during(func() {
		ctx, cancel := u.bounded()
		defer cancel()
		b.mustBe(u, ctx, "Wait", bar.Wait, b.hist.goneBetween)
		u.pause(u.ctx, 10*time.Millisecond+u.upTo(u.Timeout/4))
	})
	if !b.mustBe(u, u.ctx, "Wait", bar.Wait, b.hist.goneBetween) {
		u.say("waits although all is calm")
	}
}

// mustBe calls a method and checks that the barrier was at some moment of the call what its nil says. It reports whether that is nil.
func (b *barrierPart) mustBe(u *user, ctx context.Context, what string, call func(context.Context) error, was func(string, time.Duration, time.Duration) bool) bool {
	from := b.w.Now()
	err := call(ctx)
	if err != nil {
		if what == "Wait" && ctx.Err() == nil {
			u.say("%s: %w", what, err)
		}
		return false
	}
	b.passed.Add(1)
	if !was(b.path, from, b.w.Now()) {
		u.say("%s, called at %v, has returned nil: %v", what, from, b.hist.states(b.path))
	}
	return true
}
