package discovery

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Ejection says when an instance is ejected because of its errors, and for how long. So a client stops calling an
// instance that has crashed long before its session expires. Errors are those of [Endpoint.Done] and [Endpoint.Report].
//
// At most MaxShare of the instances in service, rounded down, are ejected at a time, so a lone instance is never
// ejected. While there are instances with a weight above 0, those with weight 0 do not count, so that errors do not
// redirect calls to them. If the share is exhausted, an instance stays in service whatever its errors, because it is
// more likely that the client itself is cut off. It is ejected with its next error once there is room. If instances are
// removed and too many of the others are ejected, those that were ejected first are readmitted.
type Ejection struct {
	// Errors is how many errors within Window eject an instance. A negative value disables ejection.
	// Defaults to 5.
	Errors int
	// Window is the time within which errors are counted.
	// Defaults to 10 s.
	Window time.Duration
	// Duration is how long an instance is ejected. It is then readmitted, with no errors counted.
	// Defaults to 30 s.
	Duration time.Duration
	// MaxShare is the maximum share of the instances in service that are ejected at a time; less than 1.
	// Defaults to 0.5.
	MaxShare float64
}

// withDefaults replaces zero values.
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

// maxErrors bounds the memory for an instance's errors.
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

// limit returns how many of the instances in service may be ejected. weighty is the number of those with a weight above
// 0.
func (e Ejection) limit(inService, weighty int) int {
	if weighty > 0 {
		inService = weighty
	}
	return int(float64(inService) * e.MaxShare)
}

// fault records an error. It reports whether the instance is to be ejected.
func (c *condition) fault(e Ejection, now time.Time) bool {
	if c.out.After(now) {
		return false // the error of a call that was made earlier
	}
	if len(c.faults) >= e.Errors {
		c.faults = slices.Delete(c.faults, 0, len(c.faults)-e.Errors+1)
	}
	c.faults = append(c.faults, now)
	return len(c.faults) == e.Errors && now.Sub(c.faults[0]) <= e.Window
}

// fault records an error of an instance, and ejects the instance if there have been too many.
func (s *Service[T]) fault(c *condition, err error) {
	if !s.eject(c, time.Now(), err) {
		return
	}
	select {
	case s.kick <- struct{}{}:
	default: // a token is already queued
	}
}

// eject records an error of an instance. If it ejects the instance, it returns true.
func (s *Service[T]) eject(c *condition, now time.Time, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil || !c.fault(s.ejection, now) {
		return false // after the end nothing would readmit it
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
	c.out, c.why, c.faults = now.Add(s.ejection.Duration), err, nil
	return true
}

// readmitAll readmits all instances.
func (s *Service[T]) readmitAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.out {
		c.out = time.Time{}
	}
}

// readmit readmits instances whose time has passed, and those in excess of the limit, and removes the other ejected
// ones from those that are picked. It returns when the next one is due.
func (f *follower[T]) readmit(now time.Time) (due time.Time) {
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
