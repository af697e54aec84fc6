package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docent-zk/docent/discovery"
)

// viewing looks at the service and picks.
type viewing[T any] struct {
	*user
	part     *discoveryPart[T]
	registry *discovery.Registry[T]
	picks    int

	mu    sync.Mutex
	view  *discovery.Service[T]
	shown map[string]int // by Changes: numbers, by key
}

// options draws how the view picks.
func (v *viewing[T]) options() (opts []discovery.ServiceOption) {
	switch v.oneOf("RoundRobin", "Random", "Sticky", "Weighted", "PowerOfTwo", "") {
	case "RoundRobin":
		opts = append(opts, discovery.WithStrategy(discovery.RoundRobin()))
	case "Random":
		opts = append(opts, discovery.WithStrategy(discovery.Random()))
	case "Sticky":
		opts = append(opts, discovery.WithStrategy(discovery.Sticky()))
	case "Weighted":
		opts = append(opts, discovery.WithStrategy(discovery.Weighted()))
	case "PowerOfTwo":
		opts = append(opts, discovery.WithStrategy(discovery.PowerOfTwo()))
	}
	if v.may("PreferZone", 3) {
		opts = append(opts, discovery.PreferZone("near"))
	}
	if v.may("WithEjection", 3) {
		opts = append(opts, discovery.WithEjection(discovery.Ejection{Errors: 1 + v.r.IntN(3), Duration: v.Timeout, MaxShare: 0.9}))
	}
	return opts
}

func (v *viewing[T]) work() {
	v.during(func() {
		ctx, cancel := v.bounded()
		defer cancel()
		if v.current() == nil && !v.open(ctx) {
			return
		}
		for range 5 {
			v.pick()
			v.pause(v.ctx, 10*time.Millisecond+v.upTo(v.Timeout/10))
		}
		if v.may("Instances", 4) {
			v.ask(ctx)
		}
		if !v.isCalm() && v.may("view closed", 8) {
			v.shut()
		}
	})
	if v.current() == nil {
		v.open(v.ctx)
	}
	<-v.ctx.Done()
	v.pick()
	v.shut()
}

func (v *viewing[T]) current() *discovery.Service[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.view
}

func (v *viewing[T]) shut() {
	if s := v.current(); s != nil {
		_ = s.Close()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.view = nil
}

func (v *viewing[T]) open(ctx context.Context) bool {
	s, err := v.registry.Open(ctx, serviceName, v.options()...)
	if err != nil {
		if ctx.Err() == nil {
			v.say("open: %w", err)
		}
		v.pause(v.ctx, 10*time.Millisecond+v.upTo(v.Timeout/4))
		return false
	}
	v.plays("Changes")
	changes := s.Changes(v.late)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.view, v.shown = s, make(map[string]int)
	shown := v.shown
	v.tail.Go(func() {
		for c := range changes {
			v.heard()
			v.apply(shown, c)
		}
	})
	return true
}

// apply applies a change to what was shown.
func (v *viewing[T]) apply(shown map[string]int, c discovery.Change[T]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range c.Removed {
		if _, ok := shown[e.Key()]; !ok {
			v.say("was told that %s is gone, which was not there", e.Key())
		}
		delete(shown, e.Key())
	}
	for _, e := range c.Added {
		if n, ok := shown[e.Key()]; ok {
			v.say("was told that %s is new, which was there with %d", e.Key(), n)
		}
		v.show(shown, e)
	}
	for _, e := range c.Updated {
		if n, ok := shown[e.Key()]; !ok || n > v.part.number(e.Payload) {
			v.say("was told that %s is %v, and it was %d (%v)", e.Key(), e.Payload, n, ok)
		}
		v.show(shown, e)
	}
	if len(c.Skipped) > 0 {
		v.say("cannot read %v", c.Skipped)
	}
	if c.Len() != len(shown) || c.Missing {
		v.say("has %d instances (missing: %v), and changes make %d", c.Len(), c.Missing, len(shown))
	}
}

func (v *viewing[T]) show(shown map[string]int, e *discovery.Endpoint[T]) {
	if !v.part.known(e.ID, e.Payload) {
		v.say("was told of %s with %v, which never was", e.ID, e.Payload)
	}
	shown[e.Key()] = v.part.number(e.Payload)
}

// pick picks an instance, which there always is, and reports how the call went.
func (v *viewing[T]) pick() {
	s := v.current()
	if s == nil {
		return
	}
	e, err := s.Pick()
	switch {
	case err != nil:
		v.say("pick: %w", err)
		return
	case e.Disabled && !v.part.silent, !v.part.known(e.ID, e.Payload):
		v.say("has picked %s, disabled: %v, with %v", e.ID, e.Disabled, e.Payload)
	}
	v.picks++
	if oneIn(v.r, 3) {
		err = errors.New("the call failed")
	}
	e.Done(err)
}

// ask asks the servers for the instances.
func (v *viewing[T]) ask(ctx context.Context) {
	list, skipped, err := v.registry.Instances(ctx, serviceName)
	if err != nil {
		return
	}
	anchored := false
	for _, in := range list {
		anchored = anchored || in.ID == anchorID
		if !v.part.known(in.ID, in.Payload) {
			v.say("Instances says %s with %v, which never was", in.ID, in.Payload)
		}
	}
	if !anchored || len(skipped) > 0 {
		v.say("Instances says %v, and skips %v", list, skipped)
	}
}

// mustShow compares the view with the instances that are registered.
func (v *viewing[T]) mustShow(want map[string]int) {
	s := v.current()
	if s == nil {
		v.say("is not open although all is calm")
		return
	}
	got, keys := make(map[string]int), make(map[string]int)
	for e := range s.Instances() {
		got[e.ID], keys[e.Key()] = v.part.number(e.Payload), v.part.number(e.Payload)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(keys) != fmt.Sprint(v.shown) || !s.StaleSince().IsZero() {
		v.say("shows %v (%v), and was told of %v, stale since %v, and there are %v", got, keys, v.shown, s.StaleSince(), want)
	}
}
