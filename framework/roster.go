package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// roster keeps the list of servers up to date, and moves the session to another server when that is called for. One goroutine does both, in clients that
// have anything to do:
//
//	every ServersRefresh                 read the list and the addresses of its names again
//	no server can be reached             the same, at once
//	the ensemble's configuration changes take over its servers, once one of them has proven to be reachable
//	the list has changed                 move, if the share of this client has to (share.go)
//	a server is preferred to the present move to it when it can be reached
//	a connection was lost                move home, RebalanceAfter later
//
// A move is planned: the new connection is there before the old one goes, and there is no SUSPENDED (move.go). It waits while the session holds a claim
// that SUSPENDED would end, since a server can fail in the middle of a move. Moves of many clients for one reason are spread over a time.
type roster struct {
	c     *core
	every time.Duration

	configured chan []string // servers of the ensemble's configuration
	seeking    chan struct{} // holds a token while somebody reads the list
	calling    chan struct{} // holds a token while Config.Servers is being called

	static   []string // of the connect string
	provided []string // by Config.Servers, the latest good list
	ensemble []string // of the ensemble's configuration, once taken over
	offered  []string // of the ensemble's configuration, while none of them has proven to be reachable

	planned *planned

	toldServers, toldEnsemble atomic.Pointer[error] // what was logged last; nil if all is well
}

// planned is a move that is to be made.
type planned struct {
	why     string
	targets []target
	at      time.Time
	servers []string // of the ensemble's configuration, to be taken over when it has succeeded; nil if it is about something else
	home    bool     // the target is the home of the session, and a move that fails is tried again
}

// needed reports whether there is anything for a roster to do.
func (c *Config) rosterNeeded(names []string) bool {
	if c.Servers != nil || c.FollowEnsemble || c.Prefer != nil || c.RebalanceAfter > 0 {
		return true
	}
	named := func(server string) bool {
		host, _, _ := net.SplitHostPort(server)
		_, err := netip.ParseAddr(host)
		return err != nil
	}
	return c.LookupHost != nil && c.ServersRefresh > 0 && slices.ContainsFunc(names, named)
}

func newRoster(c *core, names []string) *roster {
	r := &roster{
		c: c, static: names, every: c.cfg.ServersRefresh,
		configured: make(chan []string), seeking: make(chan struct{}, 1), calling: make(chan struct{}, 1),
	}
	if r.every <= 0 {
		r.every = maxSessionTimeout
	}
	return r
}

// start runs the roster until the client is closed.
func (r *roster) start() {
	ctx, cancel := context.WithCancelCause(context.Background())
	r.c.retiring.Go(func() {
		<-r.c.quit
		cancel(ErrClosed)
	})
	r.c.retiring.Go(func() { r.run(ctx) })
	if r.c.cfg.FollowEnsemble {
		r.c.retiring.Go(func() { r.track(ctx) })
	}
}

func (r *roster) run(ctx context.Context) {
	var states <-chan StateChange
	if r.c.cfg.RebalanceAfter > 0 {
		states = r.c.subscribe(ctx)
	}
	if r.c.cfg.Servers != nil || r.c.cfg.Prefer != nil {
		r.refresh(ctx)
	}
	tick, due := time.NewTimer(r.spread(r.every)), time.NewTimer(time.Hour)
	defer tick.Stop()
	defer due.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			r.refresh(ctx)
			r.prefer()
			if r.offered != nil {
				r.follow(ctx, r.offered)
			}
			tick.Reset(r.spread(r.every))
		case <-r.c.hosts.lost:
			r.refresh(ctx)
		case servers := <-r.configured:
			r.follow(ctx, servers)
		case ch := <-states:
			r.rebalance(ch)
		case <-due.C:
			r.move(ctx)
		}
		due.Reset(r.next())
	}
}

// spread is a time around d, by a fifth either way, so that clients that were started together do not go on together.
func (r *roster) spread(d time.Duration) time.Duration {
	return time.Duration((0.8 + 0.4*r.c.random.float64()) * float64(d))
}

// next is how long it is until the planned move.
func (r *roster) next() time.Duration {
	if r.planned == nil {
		return time.Hour
	}
	return max(0, time.Until(r.planned.at))
}

// seek reads the list of servers and the addresses of its names, and puts them in place. It returns the addresses before and after.
func (r *roster) seek(ctx context.Context) (before, after []target, err error) {
	select {
	case r.seeking <- struct{}{}:
		defer func() { <-r.seeking }()
	case <-ctx.Done():
		return nil, nil, ContextError(ctx)
	}
	if r.c.cfg.Servers != nil {
		servers, err := r.ask(ctx)
		switch {
		case err == nil:
			r.provided = servers
			r.toldServers.Store(nil)
		case len(r.provided) == 0 && len(r.static) == 0:
			return nil, nil, err
		default:
			r.refused(&r.toldServers, "Config.Servers returns no list that can be used", err)
		}
	}
	before, after = r.c.hosts.replace(r.resolved(ctx, r.list()))
	return before, after, nil
}

// list is that of the latest sources. The ensemble's configuration counts most, and the other list is then kept for when none of its servers can be
// reached.
func (r *roster) list() list {
	names := r.static
	if len(r.provided) > 0 {
		names = r.provided
	}
	if len(r.ensemble) > 0 {
		return list{names: r.ensemble, spare: names}
	}
	return list{names: names}
}

// resolved adds the addresses of the names.
func (r *roster) resolved(ctx context.Context, l list) list {
	l.known = make(map[string][]string)
	for _, name := range append(slices.Clone(l.names), l.spare...) {
		if ctx.Err() != nil {
			break
		}
		if addrs, err := r.c.hosts.resolve(ctx, name); err == nil {
			l.known[name] = addrs
			r.c.hosts.judge(name, addrs)
		}
	}
	return l
}

// ask calls Config.Servers. It returns when ctx ends, even if the function does not.
func (r *roster) ask(ctx context.Context) ([]string, error) {
	select {
	case r.calling <- struct{}{}:
	default:
		return nil, errors.New("an earlier call of Config.Servers has not returned")
	}
	type answer struct {
		servers []string
		err     error
	}
	answered := make(chan answer, 1)
	go func() {
		defer func() { <-r.calling }()
		var a answer
		a.err = guarded("Servers", "", func() (err error) {
			a.servers, err = r.c.cfg.Servers.Servers(ctx)
			return err
		}, r.c.panicked)
		answered <- a
	}()
	select {
	case a := <-answered:
		if a.err != nil {
			return nil, fmt.Errorf("Config.Servers: %w", a.err)
		}
		servers, err := parseServers(a.servers)
		if err != nil {
			return nil, fmt.Errorf("Config.Servers: %w", err)
		}
		return servers, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("Config.Servers has not returned: %w", ContextError(ctx))
	}
}

// refused logs why a source cannot be used, unless that was logged last.
func (r *roster) refused(told *atomic.Pointer[error], what string, err error) {
	if last := told.Swap(&err); last == nil || (*last).Error() != err.Error() {
		r.c.log.Warn("the list of servers stays as it was", "cause", what, "error", err)
	}
}

// refresh reads the list again, and plans a move if it has changed.
func (r *roster) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.c.grant.timeout())
	defer cancel()
	if before, after, err := r.seek(ctx); err == nil {
		r.changed(before, after)
	} else if ctx.Err() == nil || !errors.Is(err, ErrClosed) {
		r.refused(&r.toldServers, "there is no list of servers", err)
	}
}

// changed plans a move if the list, or an address of a name in it, has changed.
func (r *roster) changed(before, after []target) {
	current, _ := r.c.hosts.serving()
	if current == (target{}) || len(after) == 0 {
		return
	}
	shuffle(r.c.random, after)
	targets := moves(before, after, current, r.c.random.float64())
	if len(targets) == 0 {
		return
	}
	r.plan(&planned{why: "the list of servers has changed", targets: targets}, r.every)
}

// plan has a move made within a time, in place of the one that was planned before. One that was planned for the same reason keeps its time.
func (r *roster) plan(p *planned, within time.Duration) {
	if r.planned != nil && r.planned.why == p.why {
		p.at = r.planned.at
	} else {
		p.at = time.Now().Add(time.Duration(r.c.random.float64() * float64(within)))
	}
	r.planned = p
}

// follow takes over the servers of the ensemble's configuration if the present server is one of them. Otherwise it plans a move to one of them, which
// proves that they can be reached from here: an ensemble may know itself under addresses that its clients cannot use.
func (r *roster) follow(ctx context.Context, servers []string) {
	r.offered = servers
	resolving, cancel := context.WithTimeout(ctx, r.c.grant.timeout())
	defer cancel()
	l := r.resolved(resolving, list{names: servers})
	current, _ := r.c.hosts.serving()
	var targets []target
	for _, name := range servers {
		addrs := l.known[name]
		if len(addrs) == 0 {
			addrs = []string{name}
		}
		for _, addr := range addrs {
			if addr == current.addr {
				r.adopt(ctx, servers)
				return
			}
			targets = append(targets, target{name, addr})
		}
	}
	shuffle(r.c.random, targets)
	r.plan(&planned{why: "the present server is not in the ensemble's configuration", targets: targets, servers: servers}, r.every)
}

// prefer plans a move to a preferred server if the present one is not.
func (r *roster) prefer() {
	current, preferred := r.c.hosts.serving()
	if preferred || current == (target{}) || r.planned != nil {
		return
	}
	if _, targets := r.c.hosts.candidates(); len(targets) > 0 {
		shuffle(r.c.random, targets)
		r.plan(&planned{why: "another server is preferred", targets: targets}, r.every)
	}
}

// rebalance plans a move home when a connection was lost, and when a session has begun.
func (r *roster) rebalance(ch StateChange) {
	switch {
	case ch.State == Connected, ch.State == Reconnected && ch.Previous == Suspended:
	default:
		return
	}
	current, _ := r.c.hosts.serving()
	if targets := r.home(ch.SessionID); r.planned == nil && len(targets) > 0 && targets[0] != current {
		r.plan(&planned{why: "the clients are spread again", targets: targets, home: true}, r.c.cfg.RebalanceAfter)
	}
}

// home is where a session is to be so that the servers are even; nothing if there is no list.
func (r *roster) home(session int64) []target {
	all, preferred := r.c.hosts.candidates()
	if len(preferred) > 0 {
		all = preferred
	}
	if len(all) == 0 {
		return nil
	}
	return []target{home(session, all)}
}

// move makes the planned move, or puts it off.
func (r *roster) move(ctx context.Context) {
	p := r.planned
	if p == nil || time.Now().Before(p.at) {
		return
	}
	r.planned = nil
	if p.home { // the list may have changed
		p.targets = r.home(r.c.gate.Load().SessionID)
	}
	current, _ := r.c.hosts.serving()
	switch {
	case slices.ContainsFunc(p.targets, func(t target) bool { return t.addr == current.addr }):
		r.adopt(ctx, p.servers)
		return
	case current == (target{}), r.c.holdsCancel():
		r.plan(p, r.every)
		return
	}
	err := r.c.move(ctx, func(ctx context.Context) (net.Conn, string, error) { return r.dial(ctx, p.targets) }, p.why)
	switch {
	case err == nil:
		r.adopt(ctx, p.servers)
	case p.home:
		r.plan(p, r.every)
		fallthrough
	case ctx.Err() == nil:
		r.c.log.Debug("a planned move was not made", "cause", p.why, "error", err)
	}
}

// adopt takes over the servers of the ensemble's configuration, one of which has proven to be reachable; nil for none.
func (r *roster) adopt(ctx context.Context, servers []string) {
	if servers != nil {
		r.ensemble, r.offered = servers, nil
		r.refresh(ctx)
	}
}

// dial connects to the first of targets that can be reached.
func (r *roster) dial(ctx context.Context, targets []target) (conn net.Conn, server string, err error) {
	var errs []error
	for _, t := range targets {
		conn, err := r.c.hosts.dialTo(ctx, t)
		r.c.telemetry.Dialled(err)
		if err == nil {
			return conn, t.server, nil
		}
		errs = append(errs, err)
	}
	return nil, "", errors.Join(errs...)
}

// holdsCancel reports whether the session holds a claim that SUSPENDED would end.
func (c *core) holdsCancel() bool {
	g := c.gate.Load()
	return g.epoch != nil && g.epoch.claimsCancel()
}
