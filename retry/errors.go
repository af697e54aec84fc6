package retry

import (
	"errors"
	"fmt"
	"time"
)

// ErrExhausted means that a policy allows no further attempt.
var ErrExhausted = errors.New("no retries left")

// Error is returned by Do and DoValue if they stop before an attempt succeeded. errors.Is and errors.As check both
// Reason and Last.
type Error struct {
	// Reason is why there was no further attempt: ErrExhausted, or the cause of the context that ended.
	Reason error
	// Last is the error of the last attempt.
	Last error
	// Attempts is the number of attempts, at least 1.
	Attempts int
	// Elapsed is the time from the start of the first attempt to the decision to stop.
	Elapsed time.Duration
}

// Error returns the number of attempts, the elapsed time, the reason and the last error.
func (e *Error) Error() string {
	tries := "tries"
	if e.Attempts == 1 {
		tries = "try"
	}
	return fmt.Sprintf("gave up after %d %s in %v: %v: last error: %v",
		e.Attempts, tries, e.Elapsed.Round(time.Millisecond), e.Reason, e.Last)
}

// Unwrap returns Reason and Last.
func (e *Error) Unwrap() []error { return []error{e.Reason, e.Last} }
