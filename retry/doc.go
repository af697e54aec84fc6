// Package retry decides when a failed operation is tried again, and runs it.
//
// A [Policy] is a plain value: immutable, safe to copy and to share between
// goroutines. Its zero value is useful: exponential delays from 50 ms to 5 s
// with jitter 0.5, without a limit. [Policy.Start] returns an [Attempts],
// which holds the progress of one operation and is not shared:
//
//	Policy (shared, immutable)
//	   |
//	   | Start, once for every operation
//	   v
//	Attempts ---- Next / Wait ----> delay, delay, delay, ... exhausted
//
// # Usage
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
// A loop of your own calls [Attempts.Wait] between two tries, or
// [Attempts.Next] if it waits by other means.
//
// # Terms
//
// A try is one run of the operation, a retry is every try but the first, and
// a delay is the pause between two tries. NTimes(3, d) therefore means at most
// four tries and three delays.
//
// # Delays and jitter
//
// Exponential delays double from try to try until they reach their maximum.
// Jitter j draws each delay uniformly from [base*(1-j), base], so it only
// shortens delays. The maximum is therefore a true maximum, and clients that
// have all reached it still spread over the range. (Jitter in both directions,
// cut off at the maximum, would give half of them the same delay.)
//
// # Limits
//
// A limit on elapsed time counts from Start, on the monotonic clock, and
// includes the time spent in the tries. A delay that would end after the limit
// is not begun, so no try begins later than the limit. The limit does not
// interrupt a try that has begun. Use its context for that.
//
// # Errors
//
// Do returns nil if a try succeeds. If a try returns an error marked with
// [Permanent], Do returns that error. Otherwise it returns an [*Error], which
// wraps the error of the last try and the reason for stopping: [ErrExhausted],
// or the cause of the context.
//
// # Mistakes in a policy
//
// No constructor panics. An invalid policy (a negative delay, a maximum below
// the first delay, unlimited retries without a pause) carries an error.
// [Policy.Err] reports it, so a configuration can be checked before it is
// used. Do returns that error and does not run its function.
package retry
