package framework

import (
	"context"
	"sync"
	"time"
)

// limited is a context with a deadline, as one of context.WithDeadlineCause, that costs a timer only if its Done is
// used. A request that is answered in time does not use it, since its connection watches the deadline.
type limited struct {
	context.Context // the caller's
	deadline        time.Time
	cause           error

	mu   sync.Mutex
	full context.Context // with a timer; nil until it is needed
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
	if full.Err() == nil { // the deadline has passed and the timer has not run yet
		<-full.Done()
	}
	return full.Err()
}

// Value implements context.Context. The standard library uses it to find causes.
func (c *limited) Value(key any) any {
	if key == causeKey {
		return c.whole().Value(key)
	}
	return c.Context.Value(key)
}

// until splits a context into a channel that ends a wait for a reply, and a deadline for the connection to watch.
func until(ctx context.Context) (gaveUp <-chan struct{}, deadline time.Time) {
	if c, ok := ctx.(*limited); ok {
		return c.Context.Done(), c.deadline
	}
	return ctx.Done(), time.Time{}
}
