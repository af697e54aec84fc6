package retry

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Values of the zero Policy.
const (
	// DefaultInitial is the first delay of the zero Policy.
	DefaultInitial = 50 * time.Millisecond
	// DefaultMax is the longest delay of the zero Policy.
	DefaultMax = 5 * time.Second
	// DefaultJitter is the jitter of the zero Policy and of Exponential.
	DefaultJitter = 0.5
)

// multiplier is the factor between successive exponential delays.
const multiplier = 2

// shape is how delays are calculated.
type shape uint8

const (
	standard    shape = iota // the zero Policy: exponential, default values
	exponential              // initial, then doubling up to longest
	constant                 // always initial
	custom                   // from the caller's BackOff
)

// Policy says how long to wait between the attempts of an operation, and when to give up. It is immutable and holds no
// state of an operation, so it can be copied and shared. The zero value retries for ever, with exponential delays from
// DefaultInitial to DefaultMax and DefaultJitter.
//
// Every method With... returns a changed copy. If the same one is called twice, the second value counts.
type Policy struct {
	shape   shape
	initial time.Duration
	longest time.Duration
	custom  func() BackOff

	jitter  setting[float64]
	retries setting[int]
	elapsed setting[time.Duration]
	rand    func() float64
}

// setting is a value that may be unset.
type setting[T any] struct {
	value T
	set   bool
}

func set[T any](v T) setting[T] { return setting[T]{value: v, set: true} }

// Exponential returns a policy whose delays start at initial and double up to longest, with DefaultJitter and no limit
// on the number of attempts. Both durations must be positive, and longest must not be less than initial.
func Exponential(initial, longest time.Duration) Policy {
	return Policy{shape: exponential, initial: initial, longest: longest}
}

// Forever returns a policy that retries without end, with this delay and without jitter. The delay must be positive:
// endless retries without a pause would overload the processor and the server.
func Forever(delay time.Duration) Policy {
	return Policy{shape: constant, initial: delay}
}

// NTimes returns a policy of at most n retries (n+1 attempts), with this delay and without jitter. Both may be zero but
// not negative.
func NTimes(n int, delay time.Duration) Policy {
	return Forever(delay).WithMaxRetries(n)
}

// Once returns a policy of one retry after delay.
func Once(delay time.Duration) Policy { return NTimes(1, delay) }

// Never returns a policy without retries: there is one attempt.
func Never() Policy { return NTimes(0, 0) }

// UntilElapsed returns a policy that retries with this delay and without jitter, as long as the next attempt would
// begin within total after the start. Both must be positive.
func UntilElapsed(total, delay time.Duration) Policy {
	return Forever(delay).WithMaxElapsed(total)
}

// BackOff is a stateful source of delays, such as those of github.com/cenkalti/backoff in any version.
type BackOff interface {
	// NextBackOff returns the next delay. A negative one ends the attempts.
	NextBackOff() time.Duration
	// Reset starts over with the first delay.
	Reset()
}

// FromBackOff returns a policy whose delays come from a [BackOff]. For every Start, from any goroutine, fresh is called
// once to create a BackOff, which is then Reset. A negative delay, or a nil BackOff, ends the attempts. The delays are
// used unchanged, unless WithJitter is set.
func FromBackOff[B BackOff](fresh func() B) Policy {
	if fresh == nil {
		return Policy{shape: custom}
	}
	return Policy{shape: custom, custom: func() BackOff { return fresh() }}
}

// WithMaxRetries limits the number of retries to n. 0 means none, so the first failure is final. n must not be
// negative.
func (p Policy) WithMaxRetries(n int) Policy {
	p.retries = set(n)
	return p
}

// WithMaxElapsed limits the time: no attempt begins later than d after Start. d must be positive.
func (p Policy) WithMaxElapsed(d time.Duration) Policy {
	p.elapsed = set(d)
	return p
}

// WithJitter shortens each delay at random, by up to the fraction factor, which is in [0, 1]. 0 uses the full delays; 1
// draws them from the whole range down to zero.
func (p Policy) WithJitter(factor float64) Policy {
	p.jitter = set(factor)
	return p
}

// WithRand sets the source of randomness for jitter: a function that returns numbers in [0, 1). Simulations use it to
// be reproducible. It must be safe for concurrent use if the policy is used concurrently.
// Defaults to Float64 of math/rand/v2, also if source is nil.
func (p Policy) WithRand(source func() float64) Policy {
	p.rand = source
	return p
}

// IsZero reports whether p is the zero Policy, which means that a configuration has not set one.
func (p Policy) IsZero() bool {
	return p.shape == standard && !p.jitter.set && !p.retries.set && !p.elapsed.set && p.rand == nil
}

// Err returns everything that is wrong with the policy, or nil. A policy with an error allows no attempt.
func (p Policy) Err() error {
	problems := p.delayProblems()
	if j := p.jitter; j.set && !(j.value >= 0 && j.value <= 1) {
		problems = append(problems, fmt.Sprintf("jitter %v is outside [0, 1]", j.value))
	}
	if r := p.retries; r.set && r.value < 0 {
		problems = append(problems, fmt.Sprintf("the number of retries %d is negative", r.value))
	}
	if e := p.elapsed; e.set && e.value <= 0 {
		problems = append(problems, fmt.Sprintf("the limit on elapsed time %v is not positive", e.value))
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New("retry policy: " + strings.Join(problems, "; "))
}

func (p Policy) delayProblems() []string {
	var problems []string
	switch p.shape {
	case exponential:
		if p.initial <= 0 {
			problems = append(problems, fmt.Sprintf("the first exponential delay %v is not positive", p.initial))
		}
		if p.longest < p.initial {
			problems = append(problems, fmt.Sprintf("the longest delay %v is below the first delay %v", p.longest, p.initial))
		}
	case constant:
		if p.initial < 0 {
			problems = append(problems, fmt.Sprintf("the delay %v is negative", p.initial))
		}
		if p.initial == 0 && !p.retries.set {
			problems = append(problems, "retries without a delay need a limit on their number")
		}
	case custom:
		if p.custom == nil {
			problems = append(problems, "FromBackOff was given a nil function")
		}
	}
	return problems
}

// newBackOff returns the delays of one operation before jitter, limited in number. The policy has been validated.
func (p Policy) newBackOff() backoff.BackOff {
	b := p.delays()
	if p.retries.set {
		b = backoff.WithMaxRetries(b, uint64(p.retries.value)) // not negative: Err has checked that
	}
	b.Reset()
	return b
}

func (p Policy) delays() backoff.BackOff {
	switch p.shape {
	case constant:
		return backoff.NewConstantBackOff(p.initial)
	case custom:
		if b := p.custom(); b != nil {
			return b
		}
		return &backoff.StopBackOff{}
	default:
		initial, longest := p.bounds()
		return backoff.NewExponentialBackOff(
			backoff.WithInitialInterval(initial),
			backoff.WithMaxInterval(longest),
			backoff.WithMultiplier(multiplier),
			// Its jitter uses the global source, which cannot be seeded, and its clock would be a second one.
			backoff.WithRandomizationFactor(0),
			backoff.WithMaxElapsedTime(0),
		)
	}
}

// bounds returns the first and the longest exponential delay.
func (p Policy) bounds() (initial, longest time.Duration) {
	if p.shape == standard {
		return DefaultInitial, DefaultMax
	}
	return p.initial, p.longest
}

// jitterFactor returns the jitter, or its default.
func (p Policy) jitterFactor() float64 {
	switch {
	case p.jitter.set:
		return p.jitter.value
	case p.shape == standard || p.shape == exponential:
		return DefaultJitter
	default:
		return 0
	}
}

func (p Policy) source() func() float64 {
	if p.rand != nil {
		return p.rand
	}
	return rand.Float64
}

// String describes the policy for logs: "exponential 50ms..5s jitter 0.5, at most 10 retries", "every 1s, at most 1m0s
// in all", "never".
func (p Policy) String() string {
	if p.retries.set && p.retries.value == 0 {
		return "never"
	}
	var b strings.Builder
	b.WriteString(p.describeDelays())
	if j := p.jitterFactor(); j != 0 {
		b.WriteString(" jitter " + strconv.FormatFloat(j, 'g', -1, 64))
	}
	b.WriteString(p.describeLimits())
	return b.String()
}

func (p Policy) describeDelays() string {
	switch p.shape {
	case constant:
		return "every " + p.initial.String()
	case custom:
		return "custom delays"
	default:
		initial, longest := p.bounds()
		return "exponential " + initial.String() + ".." + longest.String()
	}
}

func (p Policy) describeLimits() string {
	var limits string
	switch r := p.retries; {
	case r.set && r.value == 1:
		limits = ", at most 1 retry"
	case r.set:
		limits = ", at most " + strconv.Itoa(r.value) + " retries"
	}
	if p.elapsed.set {
		limits += ", at most " + p.elapsed.value.String() + " in all"
	}
	if limits == "" && p.shape != custom {
		return ", no limit"
	}
	return limits
}

// LogValue returns the same as String.
func (p Policy) LogValue() slog.Value { return slog.StringValue(p.String()) }
