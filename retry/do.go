package retry

import (
	"context"
	"errors"

	"github.com/cenkalti/backoff/v4"
)

// Do calls fn until it returns nil, and waits between the calls as the policy says. fn gets ctx unchanged.
//
// It stops early, and returns
//
//   - context.Cause(ctx), without calling fn, if ctx has already ended;
//   - the error of fn, if it was marked with Permanent;
//   - an *Error with reason ErrExhausted if the policy allows no more attempts;
//   - an *Error with reason context.Cause(ctx) if ctx ends between two attempts;
//   - the policy's error, without calling fn, if the policy is not valid.
//
// The end of ctx does not stop a running call: fn must watch ctx. If fn returns nil, Do does so even if ctx has ended
// meanwhile.
func Do(ctx context.Context, p Policy, fn func(context.Context) error) error {
	if fn == nil {
		return errors.Join(p.Err(), errNoFunction)
	}
	_, err := DoValue(ctx, p, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, fn(ctx)
	})
	return err
}

var errNoFunction = errors.New("retry: the function is nil")

// DoValue is Do for a function that also returns a value. If it returns an error, the value is the zero value.
func DoValue[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := p.Err(); err != nil {
		return zero, err
	}
	if fn == nil {
		return zero, errNoFunction
	}
	if ctx.Err() != nil {
		return zero, context.Cause(ctx)
	}
	attempts := p.Start()
	for tries := 1; ; tries++ {
		value, err := fn(ctx)
		if err == nil {
			return value, nil
		}
		if isPermanent(err) {
			return zero, unmark(err)
		}
		if reason := attempts.Wait(ctx); reason != nil {
			return zero, &Error{Reason: reason, Last: err, Attempts: tries, Elapsed: attempts.Elapsed()}
		}
	}
}

// Permanent marks an error of fn as final: Do stops immediately and returns err itself. The mark does not change the
// text, is transparent to errors.Is and errors.As, and may be wrapped. It is the mark of
// github.com/cenkalti/backoff/v4, so errors marked by that package work as well. Permanent(nil) is nil.
func Permanent(err error) error { return backoff.Permanent(err) }

func isPermanent(err error) bool {
	var mark *backoff.PermanentError
	return errors.As(err, &mark)
}

// unmark removes the outermost marks. A mark inside a wrapping error stays, because the text around it belongs to the
// error.
func unmark(err error) error {
	for {
		mark, ok := err.(*backoff.PermanentError)
		if !ok {
			return err
		}
		err = mark.Err
	}
}
