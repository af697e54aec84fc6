package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// worker locks, holds, writes and unlocks, again and again. Once there is calm it does so one last time, which must succeed.
type worker struct {
	*Play
	cli   *framework.Client
	name  string
	path  string
	r     *rand.Rand
	mutex *lock.Mutex
}

func newWorker(p *Play, cli *framework.Client, client, number int) *worker {
	name := fmt.Sprintf("%s worker %d", clientName(client), number)
	w := &worker{Play: p, cli: cli, name: name, r: p.w.Rand(name)}
	w.path = lockPath(w.r.IntN(p.Locks))
	var opts []lock.Option
	switch w.r.IntN(3) {
	case 0:
		opts = append(opts, lock.Hold(0))
	case 1:
		opts = append(opts, lock.Hold(p.Timeout/time.Duration(1+w.r.IntN(8))))
	}
	w.mutex = lock.New(cli, w.path, opts...)
	return w
}

func (w *worker) work() {
	for !w.isCalm() {
		w.once()
	}
	held, err := w.mutex.Lock(w.ctx)
	if err != nil {
		w.fail(fmt.Errorf("%s did not get %s although all is calm: %w", w.name, w.path, err))
		return
	}
	w.begin(held)
	if err := held.Unlock(w.ctx); err != nil {
		w.fail(fmt.Errorf("%s lost %s although all is calm: %w", w.name, w.path, err))
	}
}

func (p *Play) isCalm() bool {
	select {
	case <-p.calm:
		return true
	default:
		return false
	}
}

// pause waits for d, or less if ctx ends or there is calm.
func (w *worker) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-w.calm:
	}
}

// upTo draws a duration.
func (w *worker) upTo(d time.Duration) time.Duration { return time.Duration(w.r.Int64N(int64(d))) }

// once locks in one of several ways, holds for a while, and lets go in one of several ways.
func (w *worker) once() {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	if w.r.IntN(4) == 0 {
		ctx, cancel = context.WithTimeout(ctx, w.upTo(2*w.Timeout))
		defer cancel()
	}
	lockIt := w.mutex.Lock
	if w.r.IntN(8) == 0 {
		lockIt = w.mutex.TryLock
	}
	held, err := lockIt(ctx)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, lock.ErrLocked) {
			w.fail(fmt.Errorf("%s: %w", w.name, err))
		}
		w.pause(ctx, 10*time.Millisecond+w.upTo(w.Timeout/4)) // at least the time of a few messages
		return
	}
	w.begin(held)
	w.hold(held)
	if w.r.IntN(8) == 0 {
		cancel()
	}
	_ = held.Unlock(ctx) // it may have been lost: the ledger knows
	w.pause(w.ctx, w.upTo(20*time.Millisecond))
}

func (w *worker) begin(held *lock.Held) {
	w.ledgers[w.path].Begin(held.Context(), w.name, held.Token())
}

// hold keeps the lock, briefly or for longer than a session lasts, and sometimes longer than it should.
func (w *worker) hold(held *lock.Held) {
	d := w.upTo(50 * time.Millisecond)
	if w.r.IntN(4) == 0 {
		d = w.upTo(2 * w.Timeout)
	}
	w.pause(held.Context(), d/2)
	if w.r.IntN(2) == 0 {
		w.counter.write(w, held)
	}
	w.pause(held.Context(), d/2)
	if w.r.IntN(4) == 0 { // slow to stop
		w.pause(w.ctx, w.upTo(w.Timeout/2))
	}
}

// politician stands in the election until the play is over, and resigns now and then until there is calm.
type politician struct {
	*worker
	opts []leader.Option
}

func newPolitician(p *Play, cli *framework.Client, client int) *politician {
	name := clientName(client) + " candidate"
	c := &politician{worker: &worker{Play: p, cli: cli, name: name, path: electionPath, r: p.w.Rand(name)}}
	c.opts = append(c.opts, leader.WithID(name))
	if c.r.IntN(2) == 0 {
		c.opts = append(c.opts, leader.Hold(0))
	}
	return c
}

func (c *politician) work() {
	for c.ctx.Err() == nil {
		running := false
		err := leader.Run(c.ctx, c.cli, electionPath, func(ctx context.Context, term *leader.Term) error {
			if running {
				c.fail(fmt.Errorf("%s leads twice", c.name))
			}
			running = true
			defer func() { running = false }()
			c.lead(ctx, term)
			return nil
		}, c.opts...)
		if err != nil && c.ctx.Err() == nil {
			c.fail(fmt.Errorf("%s: %w", c.name, err))
			return
		}
	}
}

func (c *politician) lead(ctx context.Context, term *leader.Term) {
	c.ledgers[electionPath].Begin(ctx, c.name, term.Token())
	if c.isCalm() {
		<-ctx.Done() // for life
		return
	}
	c.pause(ctx, c.upTo(c.Timeout))
	if c.r.IntN(4) == 0 { // slow to stop
		c.pause(c.ctx, c.upTo(c.Timeout))
	}
}
