package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// Blackout is a story: one client holds a lock, another one waits for it, and at some moment the network begins to swallow
// the holder's packets.
type Blackout struct {
	Seed      uint64
	Timeout   time.Duration // of both sessions
	Tick      time.Duration // of the server
	Latency   time.Duration // one way, in the mean
	Distance  time.Duration // the holder is so much further away, one way
	After     time.Duration // how long the lock is held before
	Direction zktest.Direction
	Hold      bool // the holder keeps the lock through SUSPENDED
	Busy      bool // the holder's client does other things, so that its last answer is younger than a ping
}

// DrawBlackout draws a story.
func DrawBlackout(seed uint64) Blackout {
	r := rand.New(rand.NewPCG(seed, 1))
	between := func(low, high time.Duration) time.Duration { return low + time.Duration(r.Int64N(int64(high-low))) }
	b := Blackout{
		Seed:      seed,
		Timeout:   between(time.Second, 40*time.Second).Round(time.Millisecond),
		Latency:   between(20*time.Microsecond, 5*time.Millisecond),
		Direction: zktest.Direction(r.IntN(3)),
		Hold:      r.IntN(2) == 0,
		Busy:      r.IntN(2) == 0,
	}
	b.Tick = between(10*time.Millisecond, b.Timeout/4)
	if r.IntN(2) == 0 {
		b.Distance = between(0, b.Timeout/16)
	}
	b.After = between(0, 2*b.Timeout)
	return b
}

// String names what was drawn.
func (b Blackout) String() string {
	return fmt.Sprintf("seed %d: T %v, tick %v, latency %v (+%v), silence after %v in direction %d, hold %v, busy %v",
		b.Seed, b.Timeout, b.Tick, b.Latency, b.Distance, b.After, b.Direction, b.Hold, b.Busy)
}

// Outcome is how a Blackout went. Times count from the beginning of its world.
type Outcome struct {
	Blackout
	Silent   time.Duration // the packets began to vanish
	Answered time.Duration // the last answered request was sent
	Received time.Duration // its answer came
	Noticed  time.Duration // the holder's client said SUSPENDED
	Over     time.Duration // the holder's context ended
	Cause    error         // why
	Lost     time.Duration // the holder's client said LOST
	Granted  time.Duration // the waiter held the lock
	Healed   time.Duration // the packets came through again
	Tokens   [2]int64      // of the holder and of the waiter
}

// Gap is the time in which nobody held the lock. Were it negative, two would have.
func (o Outcome) Gap() time.Duration { return o.Granted - o.Over }

// Judge returns everything about the outcome that must not be.
func (o Outcome) Judge() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(o.Gap() >= 0, "two hold the lock for %v", -o.Gap())
	check(o.Lost <= o.Answered+o.Timeout, "LOST %v later than T after the last answered request was sent", o.Lost-o.Answered-o.Timeout)
	check(o.Lost <= o.Granted, "LOST %v after somebody else got the lock", o.Lost-o.Granted)
	check(o.Over <= o.Answered+o.Timeout-o.Timeout/4, "held %v longer than trusted", o.Over-o.Answered-o.Timeout+o.Timeout/4)
	check(o.Answered <= o.Silent, "answered %v into the silence", o.Answered-o.Silent)
	check(o.Tokens[0] < o.Tokens[1], "the token does not grow: %v", o.Tokens)
	return errors.Join(errs...)
}

// Run plays the story, with the server's trace if that is not nil. It must be called in a bubble.
func (b Blackout) Run(trace func(string)) (o Outcome, err error) {
	w, err := NewWorld(zktest.Config{TickTime: b.Tick, Latency: b.Latency, Seed: b.Seed, Trace: trace})
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), Patience/2)
	defer cancel()
	s := stage{Blackout: b, w: w, ctx: ctx}
	if err := s.prepare(); err != nil {
		return o, err
	}
	return s.play()
}

// stage is a Blackout under way.
type stage struct {
	Blackout
	w              *World
	ctx            context.Context
	tap            *Tap
	holder, waiter *framework.Client
	held           *lock.Held
}

const blackoutPath = "/locks/blackout"

// prepare lets the holder lock, from its distance.
func (s *stage) prepare() (err error) {
	s.tap = NewTap(s.w.Server.Client("holder").Dial)
	if s.Distance > 0 {
		s.w.Server.Delay(zktest.ClientConns("holder"), s.Distance)
	}
	s.holder, err = s.w.Client("holder", func(c *framework.Config) { c.SessionTimeout, c.Dialer = s.Timeout, s.tap.Dial })
	if err != nil {
		return err
	}
	s.waiter, err = s.w.Client("waiter", func(c *framework.Config) { c.SessionTimeout = s.Timeout })
	if err != nil {
		return err
	}
	var opts []lock.Option
	if s.Hold {
		opts = append(opts, lock.Hold(0))
	}
	s.held, err = lock.New(s.holder, blackoutPath, opts...).Lock(s.ctx)
	return err
}

// play lets the waiter wait, makes the packets vanish and sees what happens.
func (s *stage) play() (o Outcome, err error) {
	o.Blackout = s.Blackout
	waiting, cancel := context.WithCancel(s.ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	if s.Busy {
		others.Go(func() { s.chatter(waiting) })
	}
	over := make(chan time.Duration, 1)
	context.AfterFunc(s.held.Context(), func() { over <- s.w.Now() })
	states := s.holder.States(s.ctx)
	next := make(chan error, 1)
	go func() {
		held, err := lock.New(s.waiter, blackoutPath).Lock(s.ctx)
		o.Granted = s.w.Now()
		if err == nil {
			o.Tokens = [2]int64{s.held.Token(), held.Token()}
			defer held.Unlock(s.ctx) //nolint:errcheck // nobody else wants it
		}
		next <- err
	}()
	time.Sleep(s.After)
	if err := context.Cause(s.held.Context()); err != nil {
		return o, fmt.Errorf("over before anything happened: %w", err)
	}
	o.Silent = s.w.Now()
	heal := s.w.Server.Blackhole(zktest.ClientConns("holder"), s.Direction)
	err = <-next
	time.Sleep(s.Timeout / 10)
	s.measure(&o)
	heal()
	o.Over, o.Cause = <-over, context.Cause(s.held.Context())
	for ch := range states {
		switch ch.State {
		case framework.Suspended:
			o.Noticed = ch.Time.Sub(s.w.start)
		case framework.Lost:
			o.Lost = ch.Time.Sub(s.w.start)
			return o, err
		}
	}
	return o, err
}

// measure reads the tap, which has seen nothing of a next session yet.
func (s *stage) measure(o *Outcome) {
	o.Healed = s.w.Now()
	o.Answered, o.Received = s.tap.Answered().Sub(s.w.start), s.tap.Received().Sub(s.w.start)
}

// chatter asks for something every now and then.
func (s *stage) chatter(ctx context.Context) {
	r := s.w.Rand("chatter")
	for ctx.Err() == nil {
		_, _, _ = s.holder.Exists(ctx, "/")
		time.Sleep(time.Duration(r.Int64N(int64(s.Timeout))))
	}
}
