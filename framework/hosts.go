package framework

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/retry"
)

// hosts knows the servers of a client and how soon the next one may be dialled. It outlives epochs, so that neither a
// server that accepts and drops nor one that hands out sessions and dies is dialled in a tight loop.
//
// Servers are dialled in turn, address by address: a name that has three addresses is worth as much as three names. The
// address that was tried least recently comes first, so one that has failed, in the dial, the handshake or later, comes last. Of those that were
// not tried since a session was up, the ones that Config.Prefer names come first.
//
// The first dial of all goes out at once. While not every server has been tried since a connection that has lasted, the next one follows after a few
// milliseconds, drawn at random, so that the clients of a server that died do not all meet its peers at once. From then on the reconnect policy
// spaces the dials. When a server has said that a session is over,
// the next session is asked for at once: there is a server that answers. Such a dial counts, and a session must have begun before, so
// servers that end every session soon are not dialled in a tight loop either.
type hosts struct {
	cfg      *Config
	grant    *grant
	random   *random
	panicked func(function, path string, value any) // told of functions of cfg that panic
	tls      *tlsSource

	mu     sync.Mutex
	names  []string            // with their ports; shuffled once
	spare  map[string]bool     // of names: those that are used only when none of the others can be
	liked  map[target]bool     // those that Config.Prefer prefers
	known  map[string][]string // the addresses that a name had when it was last resolved; none if that failed
	found  map[string][]string // the latest good addresses of a name, by which lists are compared
	tried  map[string]uint64   // when a name, or an address, was last tried: the count of tries then
	tries  uint64
	proven uint64            // tries when a session was up last: what was tried later has failed
	latest target            // what the latest connection is to
	moving bool              // the latest connection is for a planned move
	sought bool              // the addresses behind the names have been asked for, so that Config.Prefer can judge them
	serves target            // the present connection is to this one; zero while there is none
	since  int               // dials since a connection lasted
	pauses *retry.Attempts   // of the reconnect policy, once since > targets()
	last   time.Duration     // the policy's last delay, for when it ends
	up     time.Time         // when the current connection was established; zero while there is none
	down   map[string]uint64 // when a dial of an address failed last: the count of tries then
	waited int               // handshakes since a session was up that got twice the time of the one before
	prompt bool              // the next dial goes out at once

	seek func(ctx context.Context) error // finds the names while there are none
	lost chan struct{}                   // holds a token when all targets have failed since a session was up
}

func newHosts(cfg *Config, g *grant, servers []string, r *random, panicked func(function, path string, value any)) *hosts {
	h := &hosts{
		cfg: cfg, grant: g, random: r, panicked: panicked,
		names: slices.Clone(servers), known: make(map[string][]string), tried: make(map[string]uint64),
		found: make(map[string][]string),
		down:  make(map[string]uint64), liked: make(map[target]bool), lost: make(chan struct{}, 1),
	}
	shuffle(r, h.names)
	for _, name := range h.names {
		h.judge(name, []string{name})
	}
	return h
}

// take returns the next server and the pause before it may be dialled.
func (h *hosts) take() (server string, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.turn()
	h.since++
	return server, h.pause()
}

// turn returns the server whose turn it is, and notes that it is being tried. The mutex is held.
func (h *hosts) turn() (server string) {
	server = unlisted
	if len(h.names) > 0 {
		server = slices.MinFunc(h.names, func(a, b string) int {
			return cmp.Or(cmp.Compare(h.due(a), h.due(b)), cmp.Compare(h.tried[a], h.tried[b]))
		})
	}
	h.try(server)
	return server
}

// due is the rank of the address of a server that comes first. A name whose addresses are not known counts itself.
func (h *hosts) due(server string) uint64 {
	addrs := h.known[server]
	if len(addrs) == 0 {
		return h.rank(target{server, server})
	}
	return h.rank(target{server, h.first(server, addrs)})
}

// first is the address of a server that comes first.
func (h *hosts) first(server string, addrs []string) string {
	return slices.MinFunc(addrs, func(a, b string) int { return cmp.Compare(h.rank(target{server, a}), h.rank(target{server, b})) })
}

// rank orders targets: the lowest is to be dialled next. Those that were not tried since a session was up last come ahead of all others, and among
// these the preferred ones ahead of the rest, and spare ones last. In each of these groups the target that was tried least recently comes first.
func (h *hosts) rank(t target) uint64 {
	const group = 1 << 60
	tried := h.tried[t.addr]
	switch {
	case tried != 0 && tried >= h.proven:
		return 3*group + tried
	case h.spare[t.server]:
		return 2*group + tried
	case h.cfg.Prefer != nil && !h.liked[t]:
		return group + tried
	}
	return tried
}

// try notes that a name, or an address, is being tried.
func (h *hosts) try(target string) {
	h.tries++
	h.tried[target] = h.tries
}

// targets is how many addresses there are, as far as is known.
func (h *hosts) targets() (n int) {
	for _, name := range h.names {
		n += max(1, len(h.known[name]))
	}
	return n
}

func (h *hosts) pause() time.Duration {
	longest := h.bounds().pause
	prompt := h.prompt
	h.prompt = false
	switch {
	case h.tries == 1, prompt:
		return 0
	case h.since <= h.targets():
		return time.Duration(h.random.float64() * float64(longest) / 25)
	}
	h.exhausted()
	h.ask()
	if h.cfg.ReconnectPolicy.IsZero() { // less may have been granted since it started
		h.last = min(h.last, longest)
	}
	return max(h.last, longest/125)
}

// bounds are those that follow from the session timeout as it is known now.
func (h *hosts) bounds() bounds { return h.cfg.bounds(h.grant.timeout()) }

// ask asks the policy for the next pause. One that panics is asked again when it is needed next.
func (h *hosts) ask() {
	err := guarded("ReconnectPolicy", "", func() error {
		if h.pauses == nil {
			h.pauses = h.bounds().reconnect.WithRand(h.random.float64).Start()
		}
		if d, ok := h.pauses.Next(); ok {
			h.last = d
		}
		return nil
	}, h.panicked)
	if err != nil {
		h.pauses, h.last = nil, h.bounds().pause
	}
}

// established notes that a session is up on the server that was dialled last.
func (h *hosts) established(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up, h.proven, h.waited, h.serves = now, h.tries, 0, h.latest
}

// lasting is how long a connection must have been up for its end to be news and not a habit.
const lasting = 500 * time.Millisecond

// broken notes that the connection is gone. If it has lasted, and was of use, the pauses start again.
func (h *hosts) broken(now time.Time, good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if good && !h.up.IsZero() && now.Sub(h.up) >= min(lasting, h.grant.timeout()/4) {
		h.since, h.pauses = 0, nil
	}
	h.up, h.serves = time.Time{}, target{}
}

// sessionEnded notes that a server has said that a session is over which had begun.
func (h *hosts) sessionEnded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prompt = true
}

// size is the number of servers, at least 1.
func (h *hosts) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(1, len(h.names))
}

// dial connects to the address of server whose turn it is, within ConnectTimeout, name resolution and TLS included. left is
// what is left of the session. What is returned with an error has no connection.
func (h *hosts) dial(ctx context.Context, server string, left time.Duration) (*offer, error) {
	begun := time.Now()
	ctx, cancel := context.WithDeadline(ctx, begun.Add(h.connectLimit(server, left)))
	defer cancel()
	server, err := h.decided(ctx, server)
	if err != nil {
		return &offer{target: target{server: server}}, err
	}
	addrs, err := h.resolve(ctx, server)
	h.judge(server, addrs)
	addr := h.choose(server, addrs)
	if err != nil {
		return &offer{target: target{server: server}}, err
	}
	ctx, cancelDial := context.WithDeadline(ctx, begun.Add(h.connectLimit(addr, left)))
	defer cancelDial()
	return h.reach(ctx, target{server, addr})
}

// reach connects to an address. What is returned with an error has no connection.
func (h *hosts) reach(ctx context.Context, t target) (*offer, error) {
	conn, err := h.dialAddr(ctx, t.server, t.addr)
	if err != nil {
		h.failed(t.addr)
	}
	if err != nil && t.addr != t.server {
		err = fmt.Errorf("%s at %s: %w", t.server, t.addr, err)
	}
	return &offer{conn: conn, target: t}, err
}

// dialTo connects to a target within the usual time, for a planned move.
func (h *hosts) dialTo(ctx context.Context, t target) (*offer, error) {
	h.mu.Lock()
	h.try(t.addr)
	limit := h.bounds().connect.usual
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return h.reach(ctx, t)
}

// use notes that a connection to a target is the latest one, and whether it is for a planned move. A handshake follows.
func (h *hosts) use(t target, planned bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latest, h.moving = t, planned
}

// choose takes over the addresses of a server, none if it could not be resolved, and returns the one to dial.
func (h *hosts) choose(server string, addrs []string) (addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(addrs) > 0 {
		addr = h.first(server, addrs)
		h.try(addr)
	}
	if slices.Contains(h.names, server) { // the list may have changed meanwhile
		h.known[server] = addrs
		if len(h.found[server]) == 0 && len(addrs) > 0 {
			h.found[server] = addrs
		}
	}
	h.forget()
	return addr
}

// failed notes that an address could not be dialled.
func (h *hosts) failed(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down[addr] = h.tries
}

// knows reports whether something can be dialled.
func (h *hosts) knows(target string) bool {
	if slices.Contains(h.names, target) {
		return true
	}
	for _, name := range h.names {
		if slices.Contains(h.known[name], target) || slices.Contains(h.found[name], target) {
			return true
		}
	}
	return false
}

// connectLimit is how long a dial of target may take when so much is left of the session. target is a name of the connect string while
// its addresses are being looked up.
func (h *hosts) connectLimit(target string, left time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	limit := h.bounds().connect
	if h.better(target) {
		return limit.usual
	}
	return max(limit.usual, min(limit.patient, left/2)) // the handshake is to come
}

// handshakeLimit is how long a handshake on the latest connection may take when so much is left of the session. The only
// server may take all of it. If there are others, which have failed, time for one more handshake is kept back.
//
// A server that starts can leave a connection without an answer for ever. So each handshake gets twice the time of the one before if
// the server could not be dialled since a session was up, and if the session has not begun, which has nothing to lose.
func (h *hosts) handshakeLimit(left time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	limit := h.bounds().handshake
	if h.moving {
		return min(limit.usual, h.grant.timeout()/plannedHandshake)
	}
	if h.better(h.latest.addr) {
		return limit.usual
	}
	patient := limit.patient // the end of the session cuts it short
	if left == unlimited || h.down[h.latest.addr] > h.proven {
		h.waited++
		patient = min(limit.usual<<min(h.waited-1, 8), patient)
	}
	if left != unlimited && h.targets() > 1 {
		patient = min(patient, left-limit.usual)
	}
	return max(limit.usual, patient)
}

// better reports whether another address than target, which is an address or a name, has not been tried since a session was up last.
func (h *hosts) better(target string) bool {
	untried := func(other string) bool { return other != target && h.tried[other] <= h.proven }
	for _, name := range h.names {
		switch addrs := h.known[name]; {
		case name == target:
		case len(addrs) == 0 && untried(name), slices.ContainsFunc(addrs, untried):
			return true
		}
	}
	return false
}

// dialAddr connects to one of the addresses of a server.
func (h *hosts) dialAddr(ctx context.Context, server, addr string) (net.Conn, error) {
	var conn net.Conn
	err := guarded("Dialer", addr, func() (err error) {
		conn, err = h.cfg.Dialer(ctx, "tcp", addr)
		return err
	}, h.panicked)
	switch {
	case err != nil:
		return nil, err
	case conn == nil:
		return nil, fmt.Errorf("Config.Dialer has returned no connection to %s and no error", addr)
	}
	return h.secure(ctx, conn, server)
}

// resolve turns a server into addresses, at each dial anew: pods and virtual machines come back under the same name with
// another address.
func (h *hosts) resolve(ctx context.Context, server string) ([]string, error) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	if _, notAddr := netip.ParseAddr(host); h.cfg.LookupHost == nil || notAddr == nil {
		return []string{server}, nil
	}
	var ips []string
	err = guarded("LookupHost", host, func() (err error) {
		ips, err = h.cfg.LookupHost(ctx, host)
		return err
	}, h.panicked)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	if len(ips) == 0 {
		return nil, fmt.Errorf("resolve %s: the name has no address", host)
	}
	addrs := make([]string, len(ips))
	for i, ip := range ips {
		addrs[i] = net.JoinHostPort(ip, port)
	}
	shuffle(h.random, addrs)
	return addrs, nil
}

// secure adds TLS, verified against the name in the connect string and not against the address behind it.
func (h *hosts) secure(ctx context.Context, conn net.Conn, server string) (net.Conn, error) {
	cfg := h.tls.config(ctx)
	if cfg == nil {
		return conn, nil
	}
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(server)
	}
	secured := tls.Client(conn, cfg)
	if err := guarded("TLS configuration", server, func() error { return secured.HandshakeContext(ctx) }, h.panicked); err != nil {
		_ = conn.Close()
		return nil, tlsFailed(server, err)
	}
	return secured, nil
}
