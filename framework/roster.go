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

// roster keeps the list of servers up to date, and moves the session to another server when needed. One goroutine does
// both, in clients that need it:
//
//	every ServersRefresh                 read the list and the addresses of its names again
//	no server can be reached             the same, at once
//	the ensemble's configuration changes use its servers, once one of them serves this client
//
// After that, and whenever the state changes, it checks whether the session is on the right server (placement.go).
type roster struct {
	c       *core
	every   time.Duration // between checks
	refresh bool          // each check reads the list again

	configured chan []string // servers of the ensemble's configuration
	seeking    chan struct{} // holds a token while a goroutine reads the list
	calling    chan struct{} // holds a token while Config.Servers is being called

	static   []string // of the connect string
	provided []string // by Config.Servers, the last valid list
	ensemble []string // of the ensemble's configuration, once in use
	offered  []string // of the ensemble's configuration, until one of them has served this client

	placement

	toldServers, toldEnsemble atomic.Pointer[error] // what was logged last; nil if there is no problem
}

// lookEvery is the time between checks if ServersRefresh does not set it.
const lookEvery = time.Minute

// rosterNeeded reports whether the client needs a roster.
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
		c: c, static: names, every: c.cfg.ServersRefresh, refresh: c.cfg.ServersRefresh > 0,
		configured: make(chan []string), seeking: make(chan struct{}, 1), calling: make(chan struct{}, 1),
	}
	if !r.refresh {
		r.every = lookEvery
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
	if r.c.cfg.Servers != nil {
		r.read(ctx)
	}
	tick, due := time.NewTimer(r.spread(r.every)), time.NewTimer(r.next())
	defer tick.Stop()
	defer due.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			r.look(ctx)
			tick.Reset(r.spread(r.every))
		case <-r.c.hosts.lost:
			r.read(ctx)
		case servers := <-r.configured:
			r.follow(ctx, servers)
		case <-states:
		case <-due.C:
			r.move(ctx)
		}
		r.rebalance()
		due.Reset(r.next())
	}
}

// look does the periodic work.
func (r *roster) look(ctx context.Context) {
	if r.refresh {
		r.read(ctx)
	}
	r.prefer()
	if r.offered != nil {
		r.follow(ctx, r.offered)
	}
}

// spread varies d by up to a fifth, so that clients that were started together do not stay in step.
func (r *roster) spread(d time.Duration) time.Duration {
	return time.Duration((0.8 + 0.4*r.c.random.float64()) * float64(d))
}

// seek reads the list of servers, resolves its names and stores the result. It returns the addresses before and after.
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
	l := r.resolved(ctx, r.list())
	before, after = r.c.hosts.replace(l)
	r.judge(l) // again: servers that were not in the list may have been dropped meanwhile
	return before, after, nil
}

// list combines the latest sources. Once the ensemble's configuration is in use, it takes precedence, and the servers
// of the other sources are spare.
func (r *roster) list() list {
	names := r.static
	if len(r.provided) > 0 {
		names = r.provided
	}
	if len(r.ensemble) > 0 {
		return list{names: r.ensemble, spare: append(slices.Clone(names), r.offered...)}
	}
	return list{names: names, spare: r.offered}
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
		}
	}
	r.judge(l)
	return l
}

// judge calls Config.Prefer for the servers of a list.
func (r *roster) judge(l list) {
	for _, name := range append(slices.Clone(l.names), l.spare...) {
		if addrs := l.known[name]; len(addrs) > 0 {
			r.c.hosts.judge(name, addrs)
		} else {
			r.c.hosts.judge(name, []string{name})
		}
	}
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
	if isClosed(r.c.quit) || errors.Is(err, ErrNotConnected) {
		return // not the fault of the source
	}
	if last := told.Swap(&err); last == nil || (*last).Error() != err.Error() {
		r.c.log.Warn("the list of servers is kept", "cause", what, "error", err)
	}
}

// read reads the list again, and plans a move if it has changed.
func (r *roster) read(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.c.grant.timeout())
	defer cancel()
	if before, after, err := r.seek(ctx); err == nil {
		r.changed(before, after)
	} else {
		r.refused(&r.toldServers, "there is no list of servers", err)
	}
}

// follow uses the servers of the ensemble's configuration if the current server is one of them. Otherwise it plans a
// move to one of them, which proves that they can be reached: an ensemble may know itself under addresses that its
// clients cannot use.
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
	r.c.hosts.preferFirst(targets)
	r.plan(&planned{why: becauseEnsemble, targets: targets, servers: servers}, r.every)
}

// adopt uses the servers of the ensemble's configuration, one of which serves this client; nil for none.
func (r *roster) adopt(ctx context.Context, servers []string) {
	if servers != nil {
		r.ensemble, r.offered = servers, nil
		if r.planned != nil && r.planned.servers != nil {
			r.setPlanned(nil)
		}
		r.read(ctx)
	}
}
