package framework

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/retry"
)

// hosts knows the servers of a client and how soon the next one may be dialled. It outlives epochs, so that neither a
// server that accepts and drops nor one that hands out sessions and dies is dialled in a tight loop.
//
// The first dial after a connection that has lasted goes out at once. While not every server has been tried since, the
// next follows after a few milliseconds; from then on the reconnect policy spaces them.
type hosts struct {
	cfg      *Config
	random   *random
	panicked func(function, path string, value any) // told of functions of cfg that panic

	mu     sync.Mutex
	order  []string // shuffled once
	next   int
	since  int             // dials since a connection lasted
	pauses *retry.Attempts // of the reconnect policy, once since > len(order)
	last   time.Duration   // the policy's last delay, for when it ends
	up     time.Time       // when the current connection was established; zero while there is none
}

func newHosts(cfg *Config, servers []string, r *random, panicked func(function, path string, value any)) *hosts {
	h := &hosts{cfg: cfg, random: r, panicked: panicked, order: append([]string(nil), servers...)}
	shuffle(r, h.order)
	return h
}

// take returns the next server and the pause before it may be dialled.
func (h *hosts) take() (server string, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.order[h.next]
	h.next = (h.next + 1) % len(h.order)
	h.since++
	return server, h.pause()
}

func (h *hosts) pause() time.Duration {
	switch {
	case h.since == 1:
		return 0
	case h.since <= len(h.order):
		// Spreads the clients of a server that died over a moment.
		return time.Duration(h.random.float64() * float64(h.cfg.SessionTimeout) / 200)
	}
	h.ask()
	return max(h.last, h.cfg.SessionTimeout/1000)
}

// ask asks the policy for the next pause. One that panics is asked again when it is needed next.
func (h *hosts) ask() {
	err := guarded("ReconnectPolicy", "", func() error {
		if h.pauses == nil {
			h.pauses = h.cfg.ReconnectPolicy.WithRand(h.random.float64).Start()
		}
		if d, ok := h.pauses.Next(); ok {
			h.last = d
		}
		return nil
	}, h.panicked)
	if err != nil {
		h.pauses, h.last = nil, min(h.cfg.SessionTimeout/8, 5*time.Second)
	}
}

// established notes that a session is up on the server that was dialled last.
func (h *hosts) established(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = now
}

// lasting is how long a connection must have been up for its end to be news and not a habit.
const lasting = 500 * time.Millisecond

// broken notes that the connection is gone. One that has lasted starts the pauses anew.
func (h *hosts) broken(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.up.IsZero() && now.Sub(h.up) >= min(lasting, h.cfg.SessionTimeout/4) {
		h.since, h.pauses = 0, nil
	}
	h.up = time.Time{}
}

// size is the number of servers.
func (h *hosts) size() int { return len(h.order) }

// dial connects to server, trying each of its addresses, within ConnectTimeout in all.
func (h *hosts) dial(ctx context.Context, server string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.ConnectTimeout)
	defer cancel()
	addrs, err := h.resolve(ctx, server)
	if err != nil {
		return nil, err
	}
	var errs []error
	for i, addr := range addrs {
		conn, err := h.dialAddr(ctx, server, addr, len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, fmt.Errorf("none of the %d addresses of %s: %w", len(errs), server, joined(errs))
}

// joined is errors.Join in one line.
type joined []error

func (j joined) Unwrap() []error { return j }

func (j joined) Error() string {
	texts := make([]string, len(j))
	for i, err := range j {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// dialAddr connects to one of the addresses of a server. It gives it its share of the time that is left for so many.
func (h *hosts) dialAddr(ctx context.Context, server, addr string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := time.Until(deadline) / time.Duration(left)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
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
	if h.cfg.TLS == nil {
		return conn, nil
	}
	cfg := h.cfg.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(server)
	}
	secured := tls.Client(conn, cfg)
	if err := guarded("TLS configuration", server, func() error { return secured.HandshakeContext(ctx) }, h.panicked); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake with %s: %w", server, err)
	}
	return secured, nil
}
