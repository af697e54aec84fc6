package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/retry"
)

func testHosts(servers int, change func(*Config)) *hosts {
	cfg := Config{SessionTimeout: T, ReconnectPolicy: retry.Exponential(100*time.Millisecond, 400*time.Millisecond).WithJitter(0)}
	if change != nil {
		change(&cfg)
	}
	cfg = cfg.withDefaults()
	var list []string
	for i := range servers {
		list = append(list, fmt.Sprintf("zk%d:2181", i))
	}
	h := newHosts(&cfg, &grant{asked: cfg.SessionTimeout}, list, &random{r: cfg.Random}, func(string, string, any) {})
	h.tls = &tlsSource{base: cfg.TLS}
	return h
}

// pausesOf takes n servers and returns the pauses ahead of them, in whole milliseconds.
func pausesOf(h *hosts, n int) []time.Duration {
	pauses := make([]time.Duration, n)
	for i := range pauses {
		_, p := h.take()
		pauses[i] = p.Truncate(time.Millisecond)
	}
	return pauses
}

func TestEveryServerIsTriedInTurn(t *testing.T) {
	h := testHosts(4, nil)
	seen := map[string]int{}
	var order []string
	for range 12 {
		server, _ := h.take()
		seen[server]++
		order = append(order, server)
	}
	assert.Equal(t, map[string]int{"zk0:2181": 3, "zk1:2181": 3, "zk2:2181": 3, "zk3:2181": 3}, seen)
	assert.Equal(t, order[:4], order[4:8])
	assert.Equal(t, 4, h.size())
}

// The first dial is at once, the first round nearly so, and from then on the policy spaces them.
func TestPausesBetweenDials(t *testing.T) {
	const ms = time.Millisecond
	h := testHosts(3, nil)
	pauses := pausesOf(h, 8)
	assert.Zero(t, pauses[0])
	assert.Less(t, pauses[1], T/200)
	assert.Less(t, pauses[2], T/200)
	assert.Equal(t, []time.Duration{100 * ms, 200 * ms, 400 * ms, 400 * ms, 400 * ms}, pauses[3:])
}

func TestConnectionThatLastedResetsThePauses(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		up   time.Duration
		anew bool
	}{{0, false}, {lasting - 1, false}, {lasting, true}, {time.Hour, true}} {
		h := testHosts(1, nil)
		pausesOf(h, 5)
		h.established(now)
		h.broken(now.Add(c.up), true)
		_, pause := h.take()
		assert.Equal(t, c.anew, pause < T/200, "up for %v", c.up)
	}
	h := testHosts(1, nil)
	pausesOf(h, 5)
	h.broken(now, true) // of an attempt that came to nothing
	_, pause := h.take()
	assert.Equal(t, 400*time.Millisecond, pause)
}

// A server that ends every session soon is asked for the next one at once, and then not again before the policy's pause.
func TestNextSessionIsAskedForAtOnce(t *testing.T) {
	const ms = time.Millisecond
	h := testHosts(1, nil)
	now := time.Now()
	var pauses []time.Duration
	for range 4 {
		h.sessionEnded()
		pauses = append(pauses, pausesOf(h, 2)...) // for the new session, and to resume it
		h.established(now)
		h.broken(now.Add(ms), true)
	}
	assert.Equal(t, []time.Duration{0, 100 * ms, 0, 200 * ms, 0, 400 * ms, 0, 400 * ms}, pauses)
}

func TestLastingIsShorterForShortSessions(t *testing.T) {
	h := testHosts(1, func(c *Config) { c.SessionTimeout = 400 * time.Millisecond })
	pausesOf(h, 5)
	now := time.Now()
	h.established(now)
	h.broken(now.Add(100*time.Millisecond), true)
	_, pause := h.take()
	assert.Less(t, pause, T/200)
}

// dialled takes n servers and dials them, which fails, and returns their addresses in the order of the dials.
func dialled(t *testing.T, h *hosts, n int) (order []string) {
	t.Helper()
	dialer := h.cfg.Dialer
	h.cfg.Dialer = func(_ context.Context, _, address string) (net.Conn, error) {
		order = append(order, address)
		return nil, fmt.Errorf("dial %s: refused", address)
	}
	defer func() { h.cfg.Dialer = dialer }()
	for range n {
		server, _ := h.take()
		_, err := h.dial(t.Context(), server, unlimited)
		require.Error(t, err)
	}
	return order
}

// resolver resolves names of the form zk0 to what the map has for them.
func resolver(names map[string][]string) func(*Config) {
	return func(c *Config) {
		c.LookupHost = func(_ context.Context, host string) ([]string, error) {
			if addrs, ok := names[host]; ok {
				return addrs, nil
			}
			return nil, errors.New("no such host")
		}
	}
}

// Every address is dialled as often as any other, however they are spread over names, and none again before all others.
func TestAddressesAreDialledInTurn(t *testing.T) {
	for name, names := range map[string]map[string][]string{
		"one name":             {"zk0": {"::1", "::2", "::3"}},
		"three and one":        {"zk0": {"::1", "::2", "::3"}, "zk1": {"::4"}},
		"one that is unknown":  {"zk0": {"::1", "::2"}, "zk2": {"::3"}},
		"names of one address": {"zk0": {"::1"}, "zk1": {"::1"}, "zk2": {"::2"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := testHosts(3, resolver(names))
			if len(names) < 3 && names["zk2"] == nil {
				h = testHosts(len(names), resolver(names))
			}
			all := map[string]bool{}
			for _, addrs := range names {
				for _, addr := range addrs {
					all["["+addr+"]:2181"] = true
				}
			}
			var order []string
			for len(order) < 10*len(all) {
				order = append(order, dialled(t, h, 1)...)
			}
			for i := len(all); i+len(all) <= len(order); i++ {
				seen := map[string]bool{}
				for _, addr := range order[i : i+len(all)] {
					seen[addr] = true
				}
				assert.Equal(t, all, seen, "%v", order)
			}
		})
	}
}
func TestAddressesAreNotLookedUp(t *testing.T) {
	var dialled []string
	h := testHosts(1, func(c *Config) {
		c.LookupHost = func(context.Context, string) ([]string, error) { panic("looked up") }
		c.Dialer = func(_ context.Context, network, address string) (net.Conn, error) {
			dialled = append(dialled, network+" "+address)
			return nil, errors.New("refused")
		}
	})
	for _, server := range []string{"127.0.0.1:2181", "[::1]:2181", "[fe80::1%eth0]:2181"} {
		_, err := h.dial(t.Context(), server, unlimited)
		require.EqualError(t, err, "refused")
	}
	assert.Equal(t, []string{"tcp 127.0.0.1:2181", "tcp [::1]:2181", "tcp [fe80::1%eth0]:2181"}, dialled)
}

// With a Dialer of one's own and no LookupHost, names are the Dialer's business.
func TestNamesGoToTheDialer(t *testing.T) {
	var dialled string
	h := testHosts(1, func(c *Config) {
		c.Dialer = func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = address
			return nil, nil
		}
	})
	_, err := h.dial(t.Context(), "zk0:2181", unlimited)
	require.ErrorContains(t, err, "Config.Dialer has returned no connection to zk0:2181 and no error")
	assert.Equal(t, "zk0:2181", dialled)
}

// A source of randomness that fails costs randomness, not the client.
func TestFailingRandom(t *testing.T) {
	h := testHosts(3, func(c *Config) { c.Random = failing{} })
	pausesOf(h, 10)
	r := &random{r: failing{}}
	assert.GreaterOrEqual(t, r.float64(), 0.0)
	c := &create{protected: true, at: "/n"}
	require.ErrorContains(t, c.protect(r), "read 16 random bytes")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestRandomIsEven(t *testing.T) {
	cfg := Config{}.withDefaults()
	r := &random{r: cfg.Random}
	var sum float64
	for range 10_000 {
		f := r.float64()
		require.GreaterOrEqual(t, f, 0.0)
		require.Less(t, f, 1.0)
		sum += f
	}
	assert.InDelta(t, 5000, sum, 300)
}

// Time for one more handshake is kept back for the servers that have failed before.
func TestHandshakeLimitOfTheLastOfThree(t *testing.T) {
	h := testHosts(3, nil)
	for _, want := range []time.Duration{T / 6, T / 6, T - T/6, T - T/6} {
		dialled(t, h, 1)
		assert.Equal(t, want, h.handshakeLimit(T))
	}
	assert.Equal(t, T/6, h.handshakeLimit(T/4), "never less than usual")
	for _, want := range []time.Duration{T / 6, T / 3, T * 2 / 3, T, T} {
		assert.InDelta(t, want, h.handshakeLimit(unlimited), 10, "of a session that has not begun")
	}
	assert.Equal(t, T/2, h.connectLimit(h.latest.addr, T))
	h.failed(h.latest.addr)
	h.waited = 0
	for _, want := range []time.Duration{T / 6, T / 3, T * 2 / 3, T * 5 / 6} {
		assert.InDelta(t, want, h.handshakeLimit(T), 10, "of a server that has just come up")
	}
	h.established(time.Now())
	dialled(t, h, 1)
	assert.Equal(t, T/6, h.handshakeLimit(T))
	assert.Equal(t, T/6, h.connectLimit(h.latest.addr, T))
}
