package retry

import (
	"context"
	"errors"

	"github.com/cenkalti/backoff/v4"
)

// Do runs fn until it returns nil, and waits between its tries as the policy
// says. fn gets ctx unchanged.
//
// It stops early, and returns
//   - context.Cause(ctx), without running fn, if ctx has ended already;
//   - the error of fn, if it was marked with Permanent;
//   - an *Error with reason ErrExhausted when the policy allows no more tries;
//   - an *Error with reason context.Cause(ctx) when ctx ends between two tries;
//   - the policy's error, without running fn, if the policy is not valid.
//
// ctx never stops a try that is running: fn must watch it. A result of nil
// counts even if ctx has ended meanwhile.
func Do(ctx context.Context, p Policy, fn func(context.Context) error) error {
	_, err := DoValue(ctx, p, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, fn(ctx)
	})
	return err
}

// DoValue is Do for a function that also returns a value. With an error the
// value is the zero value of its type.
func DoValue[T any](ctx context.Context, p Policy, fn func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := p.Err(); err != nil {
		return zero, err
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

// Permanent marks an error of fn as final, so that Do stops at once and
// returns err itself. The mark does not change the text, and errors.Is and
// errors.As see through it; it works under further wrapping too. It is the mark
// of github.com/cenkalti/backoff/v4, so errors that were marked there count.
// Permanent(nil) is nil.
func Permanent(err error) error { return backoff.Permanent(err) }

func isPermanent(err error) bool {
	var mark *backoff.PermanentError
	return errors.As(err, &mark)
}

// unmark takes marks off the outside. One under further wrapping stays: the
// text around it belongs to the error.
func unmark(err error) error {
	for {
		mark, ok := err.(*backoff.PermanentError)
		if !ok {
			return err
		}
		err = mark.Err
	}
}
