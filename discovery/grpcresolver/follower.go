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
	// patience is how long a channel waits for the view before it receives an error.
	patience = 10 * time.Second
	// pause is the time between attempts to open a view.
	pause = time.Second
)

// follower passes the addresses of a service's instances to a channel.
type follower[T any] struct {
	*builder[T]
	name   string
	cc     resolver.ClientConn
	cancel context.CancelFunc
	done   chan struct{}
}

// ResolveNow does nothing: the addresses are always up to date, or cannot be updated.
func (f *follower[T]) ResolveNow(resolver.ResolveNowOptions) {}

// Close ends the follower and waits for its goroutine.
func (f *follower[T]) Close() {
	f.cancel()
	<-f.done
}

// run is the follower's goroutine.
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

// open opens a view, however long that takes. It returns nil when the follower or the client is closed.
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

// push passes the addresses to the channel. The channel's error, which asks to resolve again, is ignored, since that
// would return the same addresses.
func (f *follower[T]) push(change discovery.Change[T]) {
	state := f.state(change)
	_ = f.cc.UpdateState(state)
	if len(state.Addresses) == 0 {
		f.cc.ReportError(fmt.Errorf("service %s: %w: %s", f.name, discovery.ErrNoInstances, f.why(change)))
	}
}

// state returns the addresses of the instances in service. Instances with weight 0 are omitted while others have more,
// because most balancers ignore weights.
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

// why returns why there are no addresses.
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
