package framework

import (
	"context"
	"errors"
	"slices"
	"time"
)

// placement moves the session to another server when that is called for:
//
//	why                                                 to                                       within
//	the list of servers has changed                     what the share of this client calls for  ServersRefresh
//	the present server is not in the ensemble's
//	  configuration                                     one that is                              ServersRefresh
//	the present server is not preferred                 one that is                              ServersRefresh
//	a session has begun, or a connection was lost, and
//	  RebalanceAfter is set                             the place of the session                 RebalanceAfter
//
// The place of a session is its home at first, and follows the list as if the session were there (share.go). Servers that restart one after the
// other have the clients then that they had before.
//
// A move is planned: the new connection is there before the old one goes, and there is no SUSPENDED (move.go). It waits while the session holds a claim
// that SUSPENDED would end, since servers can fail in the middle of a move. One that cannot be made is tried again, more and more seldom if it has cost
// the connection.
type placement struct {
	planned *planned // nil if no move is to be made
	place   target   // with RebalanceAfter; the zero target if there is none
	session int64    // whose place it is
}

// Why sessions move.
const (
	becauseList     = "the list of servers has changed"
	becauseEnsemble = "the present server is not in the ensemble's configuration"
	becausePrefer   = "another server is preferred"
	becauseSpread   = "the clients are spread again"
)

// planned is a move that is to be made.
type planned struct {
	why     string
	targets []target // in the order in which to try
	at      time.Time
	failed  int      // how often it has cost the connection without getting there
	servers []string // of the ensemble's configuration, to be taken over when it has succeeded; nil if it is about something else
}

// plannedMove is what Info shows of a planned move.
type plannedMove struct {
	why string
	at  time.Time
}

// mostFailed is the number of failures that count.
const mostFailed = 4

// next is how long it is until the planned move.
func (p *placement) next() time.Duration {
	if p.planned == nil {
		return time.Hour
	}
	return max(0, time.Until(p.planned.at))
}

// plan has a move made within a time, in place of the one that was planned before. One that was planned for the same reason keeps its time.
func (r *roster) plan(p *planned, within time.Duration) {
	if r.planned != nil && r.planned.why == p.why {
		p.at, p.failed = r.planned.at, r.planned.failed
	} else {
		p.at = time.Now().Add(time.Duration(r.c.random.float64() * float64(within)))
	}
	r.setPlanned(p)
}

// setPlanned sets the planned move, nil for none, and publishes it for Info.
func (r *roster) setPlanned(p *planned) {
	r.planned = p
	if p == nil {
		r.c.planned.Store(nil)
		return
	}
	r.c.planned.Store(&plannedMove{p.why, p.at})
}

// again has a move tried again later.
func (r *roster) again(p *planned) {
	p.at = time.Now().Add(r.spread(r.every << min(p.failed, mostFailed)))
	r.setPlanned(p)
}

// changed plans a move if the list, or an address of a name in it, has changed and the share of this client calls for it.
func (r *roster) changed(before, after []target) {
	at := r.goal(before)
	if at == (target{}) || len(after) == 0 {
		return
	}
	before, after = r.zone(before), r.zone(after)
	shuffle(r.c.random, after)
	if targets := moves(before, after, at, r.c.random.float64()); len(targets) > 0 {
		if r.place != (target{}) {
			r.place = targets[0]
		}
		r.plan(&planned{why: becauseList, targets: targets}, r.every)
	}
}

// goal is the server that the session is to be at, as long as the list does not change: the one that it moves to, its place, or the present one; the zero
// target if there is none of these.
func (r *roster) goal(list []target) target {
	current, _ := r.c.hosts.serving()
	switch {
	case current == (target{}):
		return current
	case r.planned != nil && r.planned.why == becauseList:
		return r.planned.targets[0]
	case slices.Contains(list, r.place):
		return r.place
	}
	return current
}

// zone returns the preferred ones of a list, or all of them if there are none.
func (r *roster) zone(list []target) []target {
	if preferred := r.c.hosts.preferred(list); len(preferred) > 0 {
		return preferred
	}
	return list
}

// prefer plans a move to a preferred server if the present one is not.
func (r *roster) prefer() {
	current, preferred := r.c.hosts.serving()
	if preferred || current == (target{}) || r.planned != nil && r.planned.why != becauseSpread {
		return
	}
	targets := r.c.hosts.preferred(r.c.hosts.candidates())
	if len(targets) == 0 {
		return
	}
	shuffle(r.c.random, targets)
	if i := slices.Index(targets, r.place); i > 0 {
		targets[0], targets[i] = targets[i], targets[0]
	}
	r.plan(&planned{why: becausePrefer, targets: targets}, r.every)
}

// rebalance plans a move to the place of the session if it is elsewhere.
func (r *roster) rebalance() {
	current, _ := r.c.hosts.serving()
	g := r.c.gate.Load()
	if r.c.cfg.RebalanceAfter <= 0 || current == (target{}) || !g.State.Connected() {
		return
	}
	all := r.zone(r.c.hosts.candidates())
	if r.session != g.SessionID || !slices.Contains(all, r.place) {
		r.session, r.place = g.SessionID, target{}
		if len(all) > 0 {
			r.place = home(g.SessionID, all)
		}
	}
	if r.planned == nil && r.place != (target{}) && r.place.addr != current.addr {
		r.plan(&planned{why: becauseSpread, targets: []target{r.place}}, r.c.cfg.RebalanceAfter)
	}
}

// move makes the planned move, or puts it off.
func (r *roster) move(ctx context.Context) {
	p := r.planned
	if p == nil || time.Now().Before(p.at) {
		return
	}
	r.setPlanned(nil)
	r.validate(p)
	current, _ := r.c.hosts.serving()
	switch {
	case len(p.targets) == 0:
		return
	case p.there(current):
		r.adopt(ctx, p.servers)
		return
	case current == (target{}), r.c.holdsCancel():
		r.again(p)
		return
	}
	if err := r.attempt(ctx, p); err != nil {
		r.again(p)
		if ctx.Err() == nil {
			r.c.log.Debug("a planned move was not made", "cause", p.why, "error", err)
		}
		return
	}
	r.adopt(ctx, p.servers)
}

// validate drops targets that are no longer listed.
func (r *roster) validate(p *planned) {
	if p.servers != nil {
		return // which are not listed yet
	}
	all := r.c.hosts.candidates()
	if p.why == becauseSpread {
		p.targets = []target{r.place}
	}
	p.targets = slices.DeleteFunc(p.targets, func(t target) bool { return !slices.Contains(all, t) })
}

// there reports whether a server is one of those that a move is to.
func (p *planned) there(current target) bool {
	return slices.ContainsFunc(p.targets, func(t target) bool { return t.addr == current.addr })
}

// errElsewhere says that a move has ended at another server.
var errElsewhere = errors.New("the server has accepted the connection but not the session")

// attempt makes a move. It gives up waiting for the end of one in time for the session, because nobody reads the list meanwhile.
func (r *roster) attempt(ctx context.Context, p *planned) error {
	timeout := r.c.grant.timeout()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dialled := false
	err := r.c.move(ctx, func(ctx context.Context) (*offer, error) {
		dialling, done := context.WithTimeout(ctx, timeout/2)
		defer done()
		next, err := r.dial(dialling, p.targets)
		dialled = err == nil
		time.AfterFunc(timeout/2, cancel)
		return next, err
	}, p.why)
	if current, _ := r.c.hosts.serving(); err == nil && !p.there(current) {
		err = errElsewhere
	}
	if err != nil && dialled {
		p.failed++
	}
	return err
}

// dial connects to the first of targets that can be reached.
func (r *roster) dial(ctx context.Context, targets []target) (*offer, error) {
	var errs []error
	var next *offer
	for _, t := range targets {
		var err error
		next, err = r.c.hosts.dialTo(ctx, t)
		r.c.telemetry.Dialled(err)
		if err == nil {
			return next, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return next, errors.Join(errs...)
}

// holdsCancel reports whether the session holds a claim that SUSPENDED would end.
func (c *core) holdsCancel() bool {
	g := c.gate.Load()
	return g.epoch != nil && g.epoch.claimsCancel()
}
