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

// hosts is the list of a client's servers, and decides which one is dialled next and when. It outlives epochs, so that
// a server that accepts and drops connections, or grants sessions and dies, is not dialled in a tight loop.
//
// Servers are dialled in turn, address by address: a name with three addresses counts as three. The address that was
// tried least recently comes first, so one that has failed comes last. Among the addresses that were not tried since
// the last session was up, preferred ones come first.
//
// The very first dial has no pause. While there are servers that were not tried since the last lasting connection, the
// next dial follows after a few milliseconds, drawn at random, so that the clients of a server that died do not all
// connect at once. After that, the reconnect policy spaces the dials. When a server has ended a session, the next
// session is requested immediately, since that server is reachable. Such a dial counts as a dial, and only follows a
// session that had begun, so servers that end every session early are not dialled in a tight loop.
type hosts struct {
	cfg      *Config
	grant    *grant
	random   *random
	panicked func(function, path string, value any) // receives panics of functions of cfg
	tls      *tlsSource

	mu     sync.Mutex
	names  []string            // with their ports; shuffled once
	spare  map[string]bool     // names that are used only if none of the others can be reached
	liked  map[target]bool     // those that Config.Prefer prefers
	known  map[string][]string // addresses of each name when it was last resolved; none if that failed
	found  map[string][]string // the last known addresses of each name, with which lists are compared
	tried  map[string]uint64   // when a name or an address was last tried, as a count of tries
	tries  uint64
	proven uint64            // the count when a session was last up: what was tried later has failed
	latest target            // target of the latest connection
	moving bool              // the latest connection is for a planned move
	sought bool              // the names have been resolved, so that Config.Prefer can be called
	serves target            // target of the current connection; zero if there is none
	since  int               // dials since a connection lasted
	pauses *retry.Attempts   // of the reconnect policy, once since > targets()
	last   time.Duration     // the policy's last delay, which is repeated when it ends
	up     time.Time         // when the current connection was established; zero while there is none
	down   map[string]uint64 // when a dial of an address last failed, as a count of tries
	waited int               // handshakes since the last session was up that got twice the time of the previous one
	prompt bool              // the next dial has no pause

	seek func(ctx context.Context) error // obtains the names while there are none
	lost chan struct{}                   // holds a token when all targets have failed since the last session was up
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

// turn returns the next server in turn, and records that it is being tried. The mutex is held.
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

// due returns the rank of a server's first address. A name whose addresses are not known counts itself.
func (h *hosts) due(server string) uint64 {
	addrs := h.known[server]
	if len(addrs) == 0 {
		return h.rank(target{server, server})
	}
	return h.rank(target{server, h.first(server, addrs)})
}

// first returns a server's address that comes first.
func (h *hosts) first(server string, addrs []string) string {
	return slices.MinFunc(addrs, func(a, b string) int { return cmp.Compare(h.rank(target{server, a}), h.rank(target{server, b})) })
}

// rank orders targets: the lowest is dialled next. Targets that were not tried since the last session was up come
// before all others. Among these, preferred ones come first and spare ones last. Within each group, the one that was
// tried least recently comes first.
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

// try records that a name or an address is being tried.
func (h *hosts) try(target string) {
	h.tries++
	h.tried[target] = h.tries
}

// targets returns the number of addresses, as far as is known.
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

// bounds returns the bounds for the session timeout known now.
func (h *hosts) bounds() bounds { return h.cfg.bounds(h.grant.timeout()) }

// ask asks the policy for the next pause. If it panics, it is asked again for the next dial.
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

// established records that a session is up on the server that was dialled last.
func (h *hosts) established(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up, h.proven, h.waited, h.serves = now, h.tries, 0, h.latest
}

// lasting is how long a connection must have been up for the pauses to start over.
const lasting = 500 * time.Millisecond

// broken records that the connection has ended. If it lasted and was useful, the pauses start over.
func (h *hosts) broken(now time.Time, good bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if good && !h.up.IsZero() && now.Sub(h.up) >= min(lasting, h.grant.timeout()/4) {
		h.since, h.pauses = 0, nil
	}
	h.up, h.serves = time.Time{}, target{}
}

// sessionEnded records that a server has ended a session that had begun.
func (h *hosts) sessionEnded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prompt = true
}

// size returns the number of servers, at least 1.
func (h *hosts) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(1, len(h.names))
}

// dial connects to server's next address within ConnectTimeout, which includes name resolution and TLS. left is the
// session's remaining time. An offer that is returned with an error has no connection.
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

// reach connects to an address. An offer that is returned with an error has no connection.
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

// use records that a connection to a target is the latest one, and whether it is for a planned move. A handshake
// follows.
func (h *hosts) use(t target, planned bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.latest, h.moving = t, planned
}

// choose stores a server's addresses, none if it could not be resolved, and returns the one to dial.
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

// failed records that an address could not be dialled.
func (h *hosts) failed(addr string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down[addr] = h.tries
}

// knows reports whether a target is in the list.
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

// connectLimit returns the time limit for a dial of target, given the session's remaining time. target is a name of the
// connect string while it is being resolved.
func (h *hosts) connectLimit(target string, left time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	limit := h.bounds().connect
	if h.better(target) {
		return limit.usual
	}
	return max(limit.usual, min(limit.patient, left/2)) // the handshake follows
}

// handshakeLimit returns the time limit for a handshake on the latest connection, given the session's remaining time.
// The only server may use all of it. If there are others, which have failed, time for one more handshake is reserved.
//
// A server that is starting may never answer on a connection. So each handshake gets twice the time of the previous one
// if a dial of the server failed since the last session was up, and if the session has not begun, which has nothing to
// lose.
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
	patient := limit.patient // the end of the session shortens it
	if left == unlimited || h.down[h.latest.addr] > h.proven {
		h.waited++
		patient = min(limit.usual<<min(h.waited-1, 8), patient)
	}
	if left != unlimited && h.targets() > 1 {
		patient = min(patient, left-limit.usual)
	}
	return max(limit.usual, patient)
}

// better reports whether an address other than target, which is an address or a name, has not been tried since the last
// session was up.
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

// resolve resolves a server's name. It does so for each dial, because pods and virtual machines return under the same
// name with another address.
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

// secure adds TLS, verified against the name in the connect string and not against the address.
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
