package grpcresolver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

const (
	// patience is how long a view is waited for before a channel is told that there is none.
	patience = 10 * time.Second
	// pause is the time between a view that could not be opened and the next attempt.
	pause = time.Second
)

// follower tells a channel where the instances of a service are.
type follower[T any] struct {
	*builder[T]
	name   string
	cc     resolver.ClientConn
	cancel context.CancelFunc
	done   chan struct{}
}

// ResolveNow does nothing: what is known is up to date, or cannot be brought up to date.
func (f *follower[T]) ResolveNow(resolver.ResolveNowOptions) {}

// Close ends it, and waits for that.
func (f *follower[T]) Close() {
	f.cancel()
	<-f.done
}

// run is the goroutine of a follower.
func (f *follower[T]) run(ctx context.Context) {
	defer close(f.done)
	svc := f.open(ctx)
	if svc == nil {
		return
	}
	defer svc.Close()
	for change := range svc.Changes(ctx) {
		f.push(change)
	}
}

// open opens a view, however long that takes. It returns nil when there is nobody to open it for, or the client is closed.
func (f *follower[T]) open(ctx context.Context) *discovery.Service[T] {
	for {
		svc, err := f.attempt(ctx)
		if err == nil {
			return svc
		}
		if ctx.Err() != nil {
			return nil
		}
		f.cc.ReportError(err)
		if errors.Is(err, framework.ErrClosed) {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

func (f *follower[T]) attempt(ctx context.Context) (*discovery.Service[T], error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return f.reg.Open(ctx, f.name)
}

// push tells the channel what there is. What it makes of that does not change what there is: its error, which asks to resolve again,
// is ignored.
func (f *follower[T]) push(change discovery.Change[T]) {
	state := f.state(change)
	_ = f.cc.UpdateState(state)
	if len(state.Addresses) == 0 {
		f.cc.ReportError(fmt.Errorf("service %s: %w: %s", f.name, discovery.ErrNoInstances, f.why(change)))
	}
}

// state are the addresses of the instances in service. Those whose weight is 0 are left out while others have more: most
// balancers know no weights.
func (f *follower[T]) state(change discovery.Change[T]) resolver.State {
	var all, weighty resolver.State
	for e := range change.Instances() {
		at := f.address(e.Address, e.Port, e.SSLPort)
		if e.Disabled || at == "" {
			continue
		}
		known := describe(&e.Candidate)
		add(&all, at, known)
		if e.Weight() > 0 {
			add(&weighty, at, known)
		}
	}
	if len(weighty.Addresses) > 0 {
		return weighty
	}
	return all
}

// add adds an address to a state, in both of gRPC's forms.
func add(s *resolver.State, at string, known *attributes.Attributes) {
	s.Addresses = append(s.Addresses, resolver.Address{Addr: at, BalancerAttributes: known}) //nolint:staticcheck // for balancers that read addresses
	s.Endpoints = append(s.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: at}}, Attributes: known})
}

// why says why there are no addresses.
func (f *follower[T]) why(change discovery.Change[T]) string {
	if change.Missing {
		return fmt.Sprintf("there is no node %s", framework.Join(f.reg.BasePath(), f.name))
	}
	disabled := 0
	for e := range change.Instances() {
		if e.Disabled {
			disabled++
		}
	}
	return fmt.Sprintf("%d registered, %d of them disabled; %d skipped", change.Len(), disabled, len(change.Skipped))
}
