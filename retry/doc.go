// Package retry says when a failed operation is tried again, and runs it.
//
// A [Policy] is a plain value: immutable, safe to copy and to share between
// goroutines, and useful as its zero value (exponential delays from 50 ms to
// 5 s with jitter 0.5, for ever). It holds no progress. [Policy.Start] makes
// an [Attempts], which is the progress of one operation and is not shared:
//
//	Policy (shared, immutable)
//	   |
//	   | Start, once for every operation
//	   v
//	Attempts ---- Next / Wait ----> delay, delay, delay, ... exhausted
//
// # Using it
//
// Most callers want [Do] or [DoValue], which run a function until it succeeds:
//
//	policy := retry.Exponential(100*time.Millisecond, 10*time.Second).WithMaxRetries(5)
//	err := retry.Do(ctx, policy, func(ctx context.Context) error {
//		err := send(ctx, message)
//		if errors.Is(err, errRefused) {
//			return retry.Permanent(err) // trying again cannot help
//		}
//		return err
//	})
//
// A loop with a shape of its own uses [Attempts.Wait] between its rounds, or
// [Attempts.Next] when something else does the waiting.
//
// # Words
//
// A try is one run of the operation, a retry is every try but the first, and
// a delay is the pause between two tries. NTimes(3, d) therefore means at most
// four tries and three delays.
//
// # Delays and jitter
//
// Exponential delays double from try to try until they reach their maximum.
// Jitter j draws each delay evenly from [base*(1-j), base]: it only ever
// shortens. So the stated maximum is a true maximum, and clients which all
// stand at it still spread over the lower part of the range. (Jitter to both
// sides and then cut at the maximum would put half of them on one instant.)
//
// # Limits
//
// A limit on elapsed time counts from Start by the monotonic clock, includes
// the time spent in the tries themselves, and forbids every delay that would
// end after it: no try begins later than the limit. A try that has begun is
// never cut short; that is what its context is for.
//
// # Errors
//
// Do returns nil, or the error of a try that was marked with [Permanent], or
// an [*Error] that wraps both the reason for stopping (errors.Is with
// [ErrExhausted] or with the cause of the context) and the last try's error.
//
// # Mistakes in a policy
//
// No constructor panics. A policy that makes no sense (a negative delay, a
// maximum below the first delay, endless retries without any pause) carries
// an error: [Policy.Err] reports it, so that a configuration can be checked
// before it is used. Do returns that error and does not run its function.
package retry
