package framework_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// moments are when something has happened, since a beginning.
type moments struct {
	mu    sync.Mutex
	since time.Time
	at    []time.Duration
}

func (m *moments) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since, m.at = time.Now(), nil
}

func (m *moments) note() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = append(m.at, time.Since(m.since))
}

// all is when, in order.
func (m *moments) all() []time.Duration {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.at))
}

// busiest is how many there were within the busiest span of that length.
func busiest(at []time.Duration, span time.Duration) (most int) {
	for first, last := 0, 0; last < len(at); last++ {
		for at[last]-at[first] >= span {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// crowd is a hundred clients of a server that each keep an ephemeral node in every session. It notes their dials, handshakes and
// creates.
type crowd struct{ dials, handshakes, creates moments }

// crowded is how many they are.
const crowded = 100

// newCrowd starts them. It runs in a bubble.
func newCrowd(t *testing.T, s *zktest.Server) *crowd {
	t.Helper()
	c := &crowd{}
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		switch {
		case f.Stage == zktest.Reply && f.Op == zktest.OpConnect && f.Err == 0:
			c.handshakes.note()
		case f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 && f.Err == 0:
			c.creates.note()
		}
		return zktest.Pass
	}))
	for i := range crowded {
		cli := newClient(t, s, func(cfg *framework.Config) {
			cfg.Random = seeded(byte(i))
			dial := cfg.Dialer
			cfg.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				c.dials.note()
				return dial(ctx, network, address)
			}
		})
		go func() {
			_ = cli.Run(t.Context(), framework.Recipe{Name: "member", Policy: policies["hold, rebuild"],
				Run: func(ctx context.Context, s *framework.Session) error {
					_, err := s.Create(ctx, "/crowd/m-", nil, framework.EphemeralSequential, framework.Protected, framework.Parents)
					if err != nil {
						return err
					}
					<-ctx.Done()
					return context.Cause(ctx)
				}})
		}()
	}
	time.Sleep(10 * time.Second)
	require.Len(t, children(t, s, "/crowd"), crowded)
	return c
}

func (c *crowd) begin() {
	c.dials.begin()
	c.handshakes.begin()
	c.creates.begin()
}

// A hundred clients lose their sessions in an outage. While it lasts, their dials keep to a rate; when it is over, they come back
// spread over the longest of their pauses, and so does what they rebuild.
func TestCrowdComesBackSpread(t *testing.T) {
	const longest = sessionTimeout / 8 // of the default ReconnectPolicy
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		c := newCrowd(t, s)
		s.Stop()
		time.Sleep(sessionTimeout) // for the pauses to reach their longest
		c.begin()
		const outage = 20 * time.Second
		time.Sleep(outage)
		dials := c.dials.all()
		perSecond := len(dials) / int(outage/time.Second)
		t.Logf("outage: %d dials a second of %d clients, %d in the busiest 100 ms", perSecond, crowded, busiest(dials, 100*time.Millisecond))
		assert.LessOrEqual(t, perSecond, crowded*int(2*time.Second/longest), "no client dials more often than every half of the longest pause")
		assert.Greater(t, perSecond, crowded)
		assert.LessOrEqual(t, busiest(dials, 100*time.Millisecond), crowded*2/3)

		c.begin()
		require.NoError(t, s.StartEndpoint())
		time.Sleep(10 * time.Second)
		require.Len(t, children(t, s, "/crowd"), crowded)
		for name, at := range map[string][]time.Duration{"handshakes": c.handshakes.all(), "creates": c.creates.all()} {
			require.Len(t, at, crowded, name)
			t.Logf("%s: half of them within %v, all within %v, %d in the busiest 50 ms", name, at[crowded/2], at[crowded-1],
				busiest(at, 50*time.Millisecond))
			assert.LessOrEqual(t, at[crowded-1], 2*longest, name)
			assert.Greater(t, at[crowded/2], longest/4, name)
			assert.LessOrEqual(t, busiest(at, 50*time.Millisecond), crowded/3, name)
		}
	})
}

// One of three servers dies: its clients go to the others at once, and nobody else is disturbed.
func TestCrowdOfAServerThatDies(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 3})
		c := newCrowd(t, s)
		moved := 0
		for _, conn := range s.Conns() {
			if conn.Endpoint == 0 {
				moved++
			}
		}
		require.Greater(t, moved, crowded/6)
		c.begin()
		s.Stop(0)
		time.Sleep(10 * time.Second)
		handshakes := c.handshakes.all()
		t.Logf("%d clients are back within %v", moved, handshakes[len(handshakes)-1])
		assert.Len(t, handshakes, moved)
		assert.Less(t, handshakes[len(handshakes)-1], sessionTimeout/8)
		assert.Empty(t, c.creates.all(), "no session was lost")
		assert.LessOrEqual(t, len(c.dials.all()), 2*moved)
	})
}
