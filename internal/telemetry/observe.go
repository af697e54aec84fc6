package telemetry

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// counts are the observed values. They are kept even if telemetry is off.
type counts struct {
	active      atomic.Int64 // running operations among those that are measured
	leaders     atomic.Int64
	established atomic.Int64
	suspended   atomic.Int64
	lost        atomic.Int64
	dials       atomic.Int64
	failedDials atomic.Int64
}

func (n *counts) state(s string) {
	switch s {
	case connected:
		n.established.Add(1)
	case suspended:
		n.suspended.Add(1)
	case lost:
		n.lost.Add(1)
	}
}

// Totals are what has been counted since the start of a client, whether or not somebody observes it.
type Totals struct {
	Established, Suspended, Lost int64 // sessions
	Dials, FailedDials           int64
}

// Totals returns what has been counted.
func (c *Client) Totals() Totals {
	if c == nil {
		return Totals{}
	}
	n := &c.counts
	return Totals{n.established.Load(), n.suspended.Load(), n.lost.Load(), n.dials.Load(), n.failedDials.Load()}
}

// Dialled counts an attempt to reach a server.
func (c *Client) Dialled(err error) {
	if c == nil {
		return
	}
	c.counts.dials.Add(1)
	if err != nil {
		c.counts.failedDials.Add(1)
	}
}

// observables are the asynchronous instruments.
type observables struct {
	active, state, established, suspended, lost, dials, leaders, nodes, rejected, kept, skipped metric.Int64Observable
	trust, staleness                                                                            metric.Float64Observable
}

// observe registers the callback.
func (c *Client) observe(b *maker) error {
	o := observables{
		active:      b.number("docent.operation.active", "{operation}", "Operations under way."),
		state:       b.number("docent.session.state", "{client}", "Clients by the state of their connection."),
		established: b.total("docent.session.established", "{session}", "Sessions that were established."),
		suspended:   b.total("docent.session.suspended", "{suspension}", "Connections that broke in a session."),
		lost:        b.total("docent.session.lost", "{session}", "Sessions that were lost."),
		dials:       b.total("docent.connection.attempts", "{attempt}", "Attempts to reach a server."),
		leaders:     b.number("docent.leader.terms", "{term}", "Terms of leadership that this process has."),
		nodes:       b.number("docent.cache.nodes", "{node}", "Nodes in caches."),
		rejected:    b.number("docent.cache.rejected", "{node}", "Nodes that caches cannot bring up to date."),
		kept:        b.number("docent.registrations", "{registration}", "Nodes that are to stand: registrations, members."),
		skipped:     b.number("docent.discovery.skipped", "{node}", "Nodes of services that cannot be read."),
		trust:       b.seconds("docent.session.trust.remaining", "Time until claims end unless a server answers."),
		staleness:   b.seconds("docent.cache.staleness", "Time since when the oldest cache is stale."),
	}
	reg, err := b.meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		c.look(watcher{Observer: to, client: keyClient.String(c.name)}, o)
		return nil
	}, b.all...)
	c.observed = reg
	return err
}

// watcher is an observer that adds the client's name.
type watcher struct {
	metric.Observer
	client attribute.KeyValue
}

func (w watcher) number(i metric.Int64Observable, n int64, attrs ...attribute.KeyValue) {
	w.ObserveInt64(i, n, metric.WithAttributes(append(attrs, w.client)...))
}

func (w watcher) seconds(i metric.Float64Observable, d time.Duration, attrs ...attribute.KeyValue) {
	w.ObserveFloat64(i, d.Seconds(), metric.WithAttributes(append(attrs, w.client)...))
}

// look observes everything. It never waits.
func (c *Client) look(w watcher, o observables) {
	n := &c.counts
	w.number(o.active, n.active.Load())
	w.number(o.established, n.established.Load())
	w.number(o.suspended, n.suspended.Load())
	w.number(o.lost, n.lost.Load())
	failed := n.failedDials.Load()
	w.number(o.dials, failed, keyState.String("failed"))
	w.number(o.dials, n.dials.Load()-failed, keyState.String(connected))
	w.number(o.leaders, n.leaders.Load())
	now := c.cfg.Look()
	for _, s := range states {
		w.number(o.state, btoi(s == now.State), keyState.String(s))
	}
	if !now.TrustedUntil.IsZero() {
		w.seconds(o.trust, max(0, time.Until(now.TrustedUntil)))
	}
	c.lookAtRecipes(w, o)
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (c *Client) lookAtRecipes(w watcher, o observables) {
	standing, all := 0, snapshot(c, c.kept)
	for _, l := range all {
		standing += int(btoi(l.look()))
	}
	w.number(o.kept, int64(standing), keyState.String("standing"))
	w.number(o.kept, int64(len(all)-standing), keyState.String("not standing"))
	skipped := 0
	for _, l := range snapshot(c, c.views) {
		skipped += l.look()
	}
	w.number(o.skipped, int64(skipped))
	nodes, rejected, stale := make(map[string]int64), make(map[string]int64), make(map[string]time.Duration)
	for _, cache := range snapshot(c, c.caches) {
		now := cache.look()
		nodes[cache.recipe] += int64(now.Nodes)
		rejected[cache.recipe] += int64(now.Rejected)
		stale[cache.recipe] = max(stale[cache.recipe], age(now.StaleSince))
	}
	for recipe := range nodes {
		w.number(o.nodes, nodes[recipe], keyRecipe.String(recipe))
		w.number(o.rejected, rejected[recipe], keyRecipe.String(recipe))
		w.seconds(o.staleness, stale[recipe], keyRecipe.String(recipe))
	}
}

// age returns the time since since; 0 for the zero time.
func age(since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return time.Since(since)
}

// snapshot copies a set of the client, so that it can be read without the mutex.
func snapshot[T comparable](c *Client, set map[T]struct{}) []T {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]T, 0, len(set))
	for e := range set {
		list = append(list, e)
	}
	return list
}
