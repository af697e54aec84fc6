package discovery

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Ejection says when an instance is put out for its errors, and for how long: a client notices that an instance has crashed
// long before its session expires. Errors are those of [Endpoint.Done] and [Endpoint.Report].
//
// At most MaxShare of the instances in service are out at a time, rounded down. Instances whose weight is 0 do not count
// while others have more, so that errors do not move the calls to them. Beyond that share, an instance stays in
// whatever its errors, as it is more likely that the client itself is cut off, and is put out with its next error as soon as
// there is room. When instances go and too many of those that are left are out, the ones that were put out first are let back.
type Ejection struct {
	// Errors in Window put an instance out. Negative switches ejection off. Defaults to 5.
	Errors int
	// Window is the time that they must fall into. Defaults to 10 s.
	Window time.Duration
	// Duration is how long it is out. It is then let back, its errors forgotten. Defaults to 30 s.
	Duration time.Duration
	// MaxShare is the share of the instances in service that may be out at a time, below 1. Defaults to 0.5.
	MaxShare float64
}

// withDefaults fills in what is zero.
func (e Ejection) withDefaults() Ejection {
	if e.Errors == 0 {
		e.Errors = 5
	}
	if e.Window == 0 {
		e.Window = 10 * time.Second
	}
	if e.Duration == 0 {
		e.Duration = 30 * time.Second
	}
	if e.MaxShare == 0 {
		e.MaxShare = 0.5
	}
	return e
}

// maxErrors bounds the memory that an instance's errors take.
const maxErrors = 1000

func (e Ejection) validate() error {
	var errs []error
	if e.Errors > maxErrors {
		errs = append(errs, fmt.Errorf("Errors: %d are more than %d", e.Errors, maxErrors))
	}
	if e.Window < 0 {
		errs = append(errs, fmt.Errorf("Window: %v is negative", e.Window))
	}
	if e.Duration < 0 {
		errs = append(errs, fmt.Errorf("Duration: %v is negative", e.Duration))
	}
	if !(e.MaxShare >= 0 && e.MaxShare < 1) {
		errs = append(errs, fmt.Errorf("MaxShare: %v is not from 0 to below 1", e.MaxShare))
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("ejection: %w", errors.Join(errs...))
}

// limit is how many of the instances in service may be out, weighty of which have a weight above 0.
func (e Ejection) limit(inService, weighty int) int {
	if weighty > 0 {
		inService = weighty
	}
	return int(float64(inService) * e.MaxShare)
}

// fault counts an error, and reports whether it is one too many.
func (c *condition) fault(e Ejection, now time.Time) bool {
	if c.out.After(now) {
		return false // an answer to what was asked before
	}
	if len(c.faults) >= e.Errors {
		c.faults = slices.Delete(c.faults, 0, len(c.faults)-e.Errors+1)
	}
	c.faults = append(c.faults, now)
	return len(c.faults) == e.Errors && now.Sub(c.faults[0]) <= e.Window
}

// fault takes down an error of an instance, and puts it out if there have been too many.
func (s *Service[T]) fault(c *condition) {
	if !s.eject(c, time.Now()) {
		return
	}
	select {
	case s.kick <- struct{}{}:
	default: // it is on its way
	}
}

// eject reports whether an error puts an instance out.
func (s *Service[T]) eject(c *condition, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil || !c.fault(s.ejection, now) {
		return false // at the end nobody would let it back
	}
	out := 0
	for _, other := range s.out {
		if other.inService && other.out.After(now) {
			out++
		}
	}
	if !c.inService || out >= s.limit {
		return false
	}
	if !slices.Contains(s.out, c) {
		s.out = append(s.out, c)
	}
	c.out, c.faults = now.Add(s.ejection.Duration), nil
	return true
}

// pardon lets everybody back.
func (s *Service[T]) pardon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.out {
		c.out = time.Time{}
	}
}

// admit lets back whoever is out for too long or one too many, and sees to it that the others that are out are not picked. It
// returns when the next one is due.
func (f *follower[T]) admit(now time.Time) (due time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*Endpoint[T]
	weighty := 0
	f.out = slices.DeleteFunc(f.out, func(c *condition) bool {
		e := f.instanceOf(c)
		switch {
		case !c.out.After(now):
			c.out = time.Time{}
			f.enlist(e)
		case e != nil && c.inService:
			f.delist(c.key)
			out = append(out, e)
			weighty += weightOne(e)
		}
		return c.out.IsZero() || f.members[c.key] == nil
	})
	slices.SortStableFunc(out, func(a, b *Endpoint[T]) int { return a.state.out.Compare(b.state.out) })
	f.limit = f.ejection.limit(f.in.count()+len(out), f.in.weighty+weighty)
	for len(out) > f.limit {
		out[0].state.out = time.Time{}
		f.enlist(out[0])
		out = out[1:]
	}
	if len(out) > 0 {
		due = out[0].state.out
	}
	return due
}
