package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// actor is one process with a network of its own, which can be cut.
type actor struct {
	name  string
	cable *stage.Cable
	cli   *framework.Client
}

// troupe is all of them.
type troupe []*actor

// newTroupe starts the clients, below a node of their own. Nothing in there outlives them: ephemeral nodes and containers.
func newTroupe(ctx context.Context, c config) (troupe, error) {
	var t troupe
	for _, name := range []string{"anna", "ben", "cora", "dave"} {
		cable := &stage.Cable{}
		cli, err := framework.New(framework.Config{
			ConnectString: c.zk, SessionTimeout: c.timeout, Namespace: "docent-debugpage", Dialer: cable.Dial,
		})
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t = append(t, &actor{name, cable, cli})
		if err := cli.WaitConnected(ctx); err != nil {
			return nil, errors.Join(err, t.close())
		}
	}
	return t, nil
}

func (t troupe) names() (names []string) {
	for _, a := range t {
		names = append(names, a.name)
	}
	return names
}

func (t troupe) clients() (clients []*framework.Client) {
	for _, a := range t {
		clients = append(clients, a.cli)
	}
	return clients
}

// close ends the clients, reachable or not.
func (t troupe) close() error {
	var errs []error
	for _, a := range t {
		a.cable.Plug()
		errs = append(errs, a.cli.Close())
	}
	return errors.Join(errs...)
}

// play has everybody act until ctx ends. The result waits for them, and returns what has gone wrong.
func (t troupe) play(ctx context.Context, every time.Duration) (wait func() error) {
	var acting sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	act := func(f func() error) {
		acting.Go(func() {
			if err := f(); err != nil && ctx.Err() == nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	for _, a := range t {
		act(func() error { return a.work(ctx) })
		act(func() error { return a.lead(ctx) })
		act(func() error { return a.serve(ctx) })
	}
	act(func() error { return t[0].configure(ctx) })
	act(func() error { return t[1].mirror(ctx) })
	act(func() error { return t.trouble(ctx, every) })
	return func() error {
		acting.Wait()
		return errors.Join(errs...)
	}
}

// work holds the lock for a while, again and again.
func (a *actor) work(ctx context.Context) error {
	m := lock.New(a.cli, "/locks/orders", lock.WithData([]byte(a.name)))
	for ctx.Err() == nil {
		held, err := m.Lock(ctx)
		if err != nil {
			return err
		}
		rest(held.Context(), ctx, 2*time.Second+rand.N(3*time.Second))
		_ = held.Unlock(context.WithoutCancel(ctx)) // it may have ended: that is on the page
		rest(ctx, ctx, rand.N(time.Second))
	}
	return nil
}

// lead stands in the election.
func (a *actor) lead(ctx context.Context) error {
	return leader.Run(ctx, a.cli, "/election/scheduler", func(term context.Context, _ *leader.Term) error {
		<-term.Done()
		return context.Cause(term)
	}, leader.WithID(a.name))
}

// serve keeps an instance registered, and looks at the others.
func (a *actor) serve(ctx context.Context) error {
	reg := discovery.New[struct{}](a.cli, "/services")
	r, err := reg.Register(ctx, discovery.Instance[struct{}]{ID: a.name, Name: "orders", Address: "10.0.0.7", Port: 8080})
	if err != nil {
		return err
	}
	defer r.Close(context.WithoutCancel(ctx))
	s, err := reg.Open(ctx, "orders")
	if err != nil {
		return err
	}
	<-ctx.Done()
	return s.Close()
}

// configure changes the configuration now and then.
func (a *actor) configure(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		path := fmt.Sprintf("/config/flag-%d", n%7)
		_, err := a.cli.Create(ctx, path, []byte("on"), framework.Ephemeral, framework.Parents)
		if errors.Is(err, framework.ErrNodeExists) {
			err = a.cli.Delete(ctx, path, framework.AnyVersion)
		}
		if err != nil && !errors.Is(err, framework.ErrOutcomeUnknown) && !errors.Is(err, framework.ErrNotConnected) {
			return err
		}
		rest(ctx, ctx, time.Second)
	}
	return nil
}

// mirror keeps the configuration at hand.
func (a *actor) mirror(ctx context.Context) error {
	tree, err := cache.Open(ctx, a.cli, "/config")
	if err != nil {
		return err
	}
	<-ctx.Done()
	return tree.Close()
}

// trouble cuts one after the other off, in turn for a blip and until its session is lost.
func (t troupe) trouble(ctx context.Context, every time.Duration) error {
	for n := 0; ; n++ {
		rest(ctx, ctx, every)
		if ctx.Err() != nil {
			return nil
		}
		a := t[(n/2)%len(t)]
		if n%2 == 0 {
			a.cable.Blip()
			continue
		}
		a.cable.Unplug()
		rest(ctx, ctx, 2*a.cli.State().Timeout)
		a.cable.Plug()
	}
}

// rest waits for a while, or until one of the contexts ends.
func rest(a, b context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.Done():
	case <-b.Done():
	}
}
