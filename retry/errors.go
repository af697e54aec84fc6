package retry

import (
	"errors"
	"fmt"
	"time"
)

// ErrExhausted says that a policy allows no further try.
var ErrExhausted = errors.New("no retries left")

// Error is returned by Do and DoValue when they stop before a try succeeded.
// errors.Is and errors.As look into both Reason and Last.
type Error struct {
	// Reason is why there was no further try: ErrExhausted, or the cause of
	// the context that ended.
	Reason error
	// Last is the error of the last try.
	Last error
	// Attempts is the number of tries, at least 1.
	Attempts int
	// Elapsed is the time from the start of the first try to the decision to
	// stop.
	Elapsed time.Duration
}

// Error says how many tries were made in what time, why they ended, and what
// the last one met.
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
