package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// ServiceOption changes how a Service picks.
type ServiceOption func(*serviceConfig)

// serviceConfig is what ServiceOptions set.
type serviceConfig struct {
	strategy Strategy
	zone     string
	ejection Ejection
}

// WithStrategy sets how [Service.Pick] chooses. Defaults to [RoundRobin].
func WithStrategy(s Strategy) ServiceOption { return func(c *serviceConfig) { c.strategy = s } }

// PreferZone keeps calls within a zone for as long as an instance is available there, and lets them go anywhere otherwise. See
// [WithZone]. Instances whose weight is 0 do not keep calls in a zone while others have more.
func PreferZone(zone string) ServiceOption { return func(c *serviceConfig) { c.zone = zone } }

// WithEjection sets when an instance is put out for its errors. Defaults to Ejection{}.
func WithEjection(e Ejection) ServiceOption { return func(c *serviceConfig) { c.ejection = e } }

// Service is a view of one service, kept up to date until it is closed. It is safe for use by many goroutines.
type Service[T any] struct {
	serviceConfig
	reg    *Registry[T]
	name   string
	path   string
	mirror *cache.Children

	refresh chan chan struct{} // asks for the view to be brought up to date; the answer is closed
	kick    chan struct{}      // holds a token when an instance was put out

	_      [line]byte // pickers read the following, and others write what is around it
	picker atomic.Pointer[picker[T]]
	_      [line]byte

	mu      sync.Mutex // guards the following, and the conditions of the instances
	view    *view[T]
	changed chan struct{} // closed and replaced when there is another view
	out     []*condition  // of instances that are out, or were
	limit   int           // how many instances in service may be out

	life context.Context // ends on Close
	end  context.CancelCauseFunc
	work sync.WaitGroup

	unlist func() // tells telemetry that the view is closed
}

// picker picks from what is available at a moment. It does not change.
type picker[T any] struct {
	flat      []*Endpoint[T] // those that are available, if they are few enough to be one chunk of the roster
	available roster[T]
	pick      func() int
	how       picking
	err       error // why there is nothing to pick
}

// newPicker makes a picker of the instances that are available, at least one.
func newPicker[T any](available roster[T], pick func() int, how picking) *picker[T] {
	return &picker[T]{flat: available.root.items, available: available, pick: pick, how: how}
}

// Open opens a view of a service and returns when it is complete for the first time; ctx bounds that only. A service that is
// not there has no instances, and may come.
//
// Errors: those of cache.OpenChildren, and what is wrong with the options.
func (r *Registry[T]) Open(ctx context.Context, name string, opts ...ServiceOption) (*Service[T], error) {
	s := &Service[T]{reg: r, name: name, view: &view[T]{missing: true}, changed: make(chan struct{})}
	for _, opt := range opts {
		opt(&s.serviceConfig)
	}
	if s.strategy == nil {
		s.strategy = RoundRobin()
	}
	s.ejection = s.ejection.withDefaults()
	path, err := r.Path(name)
	if err == nil {
		err = s.ejection.validate()
	}
	if err != nil {
		return nil, err
	}
	s.path = path
	if s.mirror, err = cache.OpenChildren(ctx, r.cli, path, s.listed()); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	s.start(ctx)
	s.unlist = recipekit.Telemetry(r.cli).View(func() int { return len(s.Skipped()) })
	return s, nil
}

// start shows what there is and follows it. ctx bounds the first look.
func (s *Service[T]) start(ctx context.Context) {
	s.life, s.end = context.WithCancelCause(context.Background())
	s.refresh, s.kick = make(chan chan struct{}), make(chan struct{}, 1)
	f := newFollower(s)
	events := s.mirror.Events(s.life)
	f.update(ctx)
	s.work.Go(func() { f.run(events) })
}

// Name is the service's name.
func (s *Service[T]) Name() string { return s.name }

// Pick chooses one of the instances that are available, by the Service's [Strategy]. It takes no lock, sends no request and
// allocates nothing. The use that begins ends with [Endpoint.Done].
//
// Errors: [ErrNoInstances], [ErrServiceClosed].
func (s *Service[T]) Pick() (*Endpoint[T], error) {
	p := s.picker.Load()
	if p.err != nil {
		return nil, p.err
	}
	at := lane()
	var e *Endpoint[T]
	if t := p.how.turns; t != nil && p.flat != nil {
		e = p.flat[t.take(at)%uint64(len(p.flat))]
	} else {
		e = s.choose(p, at)
	}
	e.uses.add(at, 1)
	return e, nil
}

// choose has the Strategy's function pick.
func (s *Service[T]) choose(p *picker[T], lane int) *Endpoint[T] {
	switch {
	case p.how.turns != nil:
		return p.available.at(int(p.how.turns.take(lane) % uint64(p.available.count())))
	case p.how.safe:
		return p.available.at(p.pick())
	}
	return s.chooseGuarded(p, lane)
}

// chooseGuarded has a function of the user's pick. If it panics, or picks what is not there, others take turns until the instances
// change.
func (s *Service[T]) chooseGuarded(p *picker[T], lane int) (e *Endpoint[T]) {
	err := s.reg.cli.Guard("strategy", s.path, func() error {
		e = p.available.at(p.pick())
		return nil
	})
	if err == nil {
		return e
	}
	instead := newPicker(p.available, nil, picking{turns: newTurns(0)})
	s.picker.CompareAndSwap(p, instead)
	return s.choose(instead, lane)
}

// Instances lists the instances, those that are disabled or put out included, in the order of their keys, as they are at the
// moment of the call.
func (s *Service[T]) Instances() iter.Seq[*Endpoint[T]] {
	v, _ := s.look()
	return v.endpoints.all()
}

// Available lists the instances that Pick chooses from, as they are at the moment of the call.
func (s *Service[T]) Available() iter.Seq[*Endpoint[T]] { return s.picker.Load().available.all() }

// Skipped lists the nodes that are left out of the service because they cannot be read. It is not to be changed.
func (s *Service[T]) Skipped() []Skipped {
	v, _ := s.look()
	return v.skipped
}

// look returns what is shown and what is closed when that changes.
func (s *Service[T]) look() (*view[T], <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view, s.changed
}

// StaleSince is since when the registry has not been heard of, and the zero Time while the view is fresh. What is stale is
// served all the same.
func (s *Service[T]) StaleSince() time.Time {
	v, _ := s.look()
	if since := s.mirror.StaleSince(); !since.IsZero() {
		return since
	}
	return v.stale
}

// WaitFresh waits until the view shows everything that there was when the present connection began. It returns the cause of
// ctx when that ends first, with cache.ErrStale, and otherwise why the view has ended: [ErrServiceClosed] or
// framework.ErrClosed.
func (s *Service[T]) WaitFresh(ctx context.Context) error {
	if err := s.mirror.WaitFresh(ctx); err != nil && !errors.Is(err, cache.ErrCacheClosed) {
		return fmt.Errorf("service %s: %w", s.name, err)
	}
	shown := make(chan struct{})
	select {
	case s.refresh <- shown:
	case <-s.life.Done():
		return fmt.Errorf("service %s: %w", s.name, context.Cause(s.life))
	case <-ctx.Done():
		return s.unshown(ctx)
	}
	select {
	case <-shown: // whoever has taken the request answers it
		return nil
	case <-ctx.Done():
		return s.unshown(ctx)
	}
}

// unshown says that ctx has ended before the view shows what is known. Only a Codec or a Strategy takes so long.
func (s *Service[T]) unshown(ctx context.Context) error {
	return fmt.Errorf("service %s: %w: the Codec, the Strategy, or what WithWeight or WithZone has set, has not returned yet: %w", s.name, cache.ErrStale, context.Cause(ctx))
}

// Policy is how a Service answers SUSPENDED and LOST.
func (s *Service[T]) Policy() framework.Policy { return s.mirror.Policy() }

// Close ends the view and waits for what it has started. Pick says [ErrServiceClosed] from then on, and the channels of Changes
// are closed. It may be called repeatedly, and always returns nil.
func (s *Service[T]) Close() error {
	s.mu.Lock()
	s.end(ErrServiceClosed)
	s.mu.Unlock()
	s.unlist()
	err := s.mirror.Close()
	s.work.Wait()
	s.picker.Store(&picker[T]{err: fmt.Errorf("service %s: %w", s.name, ErrServiceClosed)})
	return err
}

func byKey[T any](a, b *Endpoint[T]) int { return cmp.Compare(a.key, b.key) }
