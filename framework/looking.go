package framework

import "context"

// looking is a context that checks whether it has ended each time it is used. A process that was stopped, or is starved
// of CPU, may continue before its timers have run, but then it still sees the end here.
//
// A context derived from it costs no goroutine and ends together with it, because the standard library finds its own
// context inside.
type looking struct {
	context.Context        // one of the standard library's
	look            func() // ends it if it has to end by now
}

// Done checks first, so a loop that polls the channel sees the same as Err.
func (c *looking) Done() <-chan struct{} {
	c.find()
	return c.Context.Done()
}

// Err implements context.Context.
func (c *looking) Err() error {
	c.find()
	return c.Context.Err()
}

// Value checks first when context.Cause asks.
func (c *looking) Value(key any) any {
	if key == causeKey {
		c.find()
	}
	return c.Context.Value(key)
}

func (c *looking) find() {
	if c.Context.Err() == nil {
		c.look()
	}
}

// WithCancelCause is context.WithCancelCause for a parent that depends on a session, such as the context of a claim, or
// that was derived from one by WithCancelCause. Err, Done and context.Cause of the result check the parent first. A
// context that the standard library derives ends when the parent's timer has run, which can be some milliseconds late
// in a process that was stopped.
func WithCancelCause(parent context.Context) (ctx context.Context, cancel context.CancelCauseFunc) {
	inner, end := context.WithCancelCause(parent)
	c := &looking{inner, func() { endWith(parent, end) }}
	return c, func(cause error) {
		c.find()
		end(cause)
	}
}

// endWith ends a context if its parent has ended.
func endWith(parent context.Context, end context.CancelCauseFunc) {
	if parent.Err() != nil {
		end(context.Cause(parent))
	}
}

// causeKey is the key with which context.Cause asks a context. Before Go 1.25, it does so before it calls Err.
var causeKey = func() any {
	asked := &questioned{Context: context.Background()}
	_ = context.Cause(asked)
	return asked.key
}()

// questioned remembers the key that it was asked for.
type questioned struct {
	context.Context
	key any
}

// Err makes context.Cause continue.
func (q *questioned) Err() error { return context.Canceled }

// Value implements context.Context.
func (q *questioned) Value(key any) any {
	q.key = key
	return nil
}
