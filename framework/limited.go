package framework

import (
	"context"
	"sync"
	"time"
)

// limited is a context that ends at a deadline, as one of context.WithDeadlineCause does. It costs a timer only if somebody asks for Done: a
// request that is answered in time never does, since its connection looks after its deadline.
type limited struct {
	context.Context // the caller's
	deadline        time.Time
	cause           error

	mu   sync.Mutex
	full context.Context // with a timer; nil as long as nobody needs one
	stop context.CancelFunc
}

// whole returns the context with a timer.
func (c *limited) whole() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full == nil {
		c.full, c.stop = context.WithDeadlineCause(c.Context, c.deadline, c.cause)
	}
	return c.full
}

// release stops the timer, if there is one.
func (c *limited) release() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop()
	}
}

// Deadline implements context.Context.
func (c *limited) Deadline() (time.Time, bool) { return c.deadline, true }

// Done implements context.Context.
func (c *limited) Done() <-chan struct{} { return c.whole().Done() }

// Err implements context.Context.
func (c *limited) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	if time.Now().Before(c.deadline) {
		return nil
	}
	full := c.whole()
	if full.Err() == nil { // it is time, and its timer has not run yet
		<-full.Done()
	}
	return full.Err()
}

// Value implements context.Context. The standard library asks for the context inside to find causes.
func (c *limited) Value(key any) any {
	if key == causeKey {
		return c.whole().Value(key)
	}
	return c.Context.Value(key)
}

// until splits a context into what ends a wait for an answer: a channel, and a time for the connection to look after.
func until(ctx context.Context) (gaveUp <-chan struct{}, deadline time.Time) {
	if c, ok := ctx.(*limited); ok {
		return c.Context.Done(), c.deadline
	}
	return ctx.Done(), time.Time{}
}
