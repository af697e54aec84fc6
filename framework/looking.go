package framework

import "context"

// looking is a context that finds out whether it has ended when somebody looks at it. A process that was stopped, or starved, may run
// on before its timers do; what it learns here is never behind the clocks.
//
// What is derived from it costs no goroutine and ends together with it: the standard library finds its own context inside.
type looking struct {
	context.Context        // one of the standard library's
	look            func() // ends it if it is to end by now
}

// Done looks, so that a loop that polls the channel sees what Err would say.
func (c *looking) Done() <-chan struct{} {
	c.find()
	return c.Context.Done()
}

// Err implements context.Context.
func (c *looking) Err() error {
	c.find()
	return c.Context.Err()
}

// Value looks when context.Cause asks.
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

// WithCancelCause is context.WithCancelCause for a parent that hangs on a session, as the context of a claim does, or that is derived
// from such a one by WithCancelCause. Err, Done and context.Cause of the result look at the parent first. The standard library's derived
// contexts learn of its end when its timer runs, which can be some milliseconds late in a process that was stopped.
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

// causeKey is what context.Cause asks a context for. Until Go 1.25 it does so before it asks for Err.
var causeKey = func() any {
	asked := &questioned{Context: context.Background()}
	_ = context.Cause(asked)
	return asked.key
}()

// questioned remembers what it was asked for.
type questioned struct {
	context.Context
	key any
}

// Err has context.Cause go on.
func (q *questioned) Err() error { return context.Canceled }

// Value implements context.Context.
func (q *questioned) Value(key any) any {
	q.key = key
	return nil
}
