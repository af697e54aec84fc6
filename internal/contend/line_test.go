package contend_test

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/zktest"
)

// meter counts the bytes that the connections of clients receive.
type meter struct{ received atomic.Int64 }

// tune has a client's connections counted.
func (m *meter) tune(cfg *framework.Config) {
	dial := cfg.Dialer
	cfg.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &metered{conn, m}, err
	}
}

type metered struct {
	net.Conn
	m *meter
}

// Read implements net.Conn.
func (c *metered) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.m.received.Add(int64(n))
	return n, err
}

// crowd is what it took until all places of several clients had their turn, one after the other.
type crowd struct {
	bytes int64
	cost  zktest.Counts
}

// crowded lets n places of several clients join a queue behind a holder and then pass, each when the one ahead has released. It runs in a
// bubble.
func (w *world) crowded(clients, n int) crowd {
	w.t.Helper()
	var m meter
	_, holder := w.client("holder")
	held, err := strict.Acquire(w.t.Context(), holder, hold)
	require.NoError(w.t, err)
	sessions := make([]*framework.Session, clients)
	for i := range sessions {
		_, sessions[i] = w.client(fmt.Sprint("client ", i), m.tune)
	}
	time.Sleep(time.Second)
	before, received := w.Counts(), m.received.Load()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			claim, err := strict.Acquire(w.t.Context(), sessions[i%clients], hold)
			if assert.NoError(w.t, err) {
				assert.NoError(w.t, claim.Release(context.Background()))
			}
		})
		time.Sleep(time.Millisecond) // clients take turns, which is the order with the most nodes of others between two of one client
	}
	time.Sleep(time.Second)
	require.Len(w.t, w.nodes(), n+1)
	require.NoError(w.t, held.Release(w.t.Context()))
	all.Wait()
	require.Empty(w.t, w.nodes())
	return crowd{m.received.Load() - received, w.Counts().Sub(before)}
}

// What a client receives grows with the number of its places, and not with its square: one list serves all of them.
func TestOneListServesAllPlacesOfAClient(t *testing.T) {
	const clients = 8
	sizes, got := []int{150, 300}, make(map[int]crowd)
	for _, n := range sizes {
		bubble(t, func(t *testing.T, w *world) {
			c := w.crowded(clients, n)
			got[n] = c
			t.Logf("%d places of %d clients: %d bytes, %v, %d events", n, clients, c.bytes, c.cost.Requests, c.cost.Events)
			assert.LessOrEqual(t, c.cost.Requests[zktest.OpGetChildren2], int64(4*clients), "lists")
			assert.LessOrEqual(t, c.cost.Requests[zktest.OpSetWatches], int64(2*n))
			assert.LessOrEqual(t, c.cost.Events, int64((3+clients)*n), "a setWatches also reports the nodes that have gone since the list")
		})
	}
	few, many := sizes[0], sizes[1]
	exponent := math.Log(float64(got[many].bytes)/float64(got[few].bytes)) / math.Log(float64(many)/float64(few))
	t.Logf("exponent of bytes: %.2f", exponent)
	assert.LessOrEqual(t, exponent, 1.1)
}

// With a client for each place, a place lists once when it joins, and once ahead of its turn.
func TestListsOfPlacesWithAClientEach(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const n = 40
		c := w.crowded(n, n)
		t.Logf("%d places of as many clients: %d bytes, %v, %d events", n, c.bytes, c.cost.Requests, c.cost.Events)
		assert.LessOrEqual(t, c.cost.Requests[zktest.OpGetChildren2], int64(2*n))
		assert.LessOrEqual(t, c.cost.Events, int64(3*n))
	})
}

// waiting is a place of a client that waits together with others.
type waiting struct {
	stop    context.CancelFunc
	granted chan *contend.Claim
	err     chan error
}

// behind lets n places of one session queue, one after the other. It runs in a bubble.
func (w *world) behind(s *framework.Session, n int) (list []waiting) {
	w.t.Helper()
	for range n {
		ctx, stop := context.WithCancel(w.t.Context())
		p := waiting{stop, make(chan *contend.Claim, 1), make(chan error, 1)}
		go func() {
			claim, err := strict.Acquire(ctx, s, hold)
			if err != nil {
				p.err <- err
				return
			}
			p.granted <- claim
		}()
		time.Sleep(10 * time.Millisecond)
		list = append(list, p)
	}
	return list
}

// A place behind another one of its session costs a create until its turn comes near.
func TestPlaceBehindAnotherOfItsSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, a := w.client("a")
		_, b := w.client("b")
		held, err := strict.Acquire(t.Context(), a, hold)
		require.NoError(t, err)
		first := w.behind(b, 1)[0]
		time.Sleep(time.Second) // until it has read what it watches
		before := w.ClientCounts("b")
		rest := w.behind(b, 3)
		cost := w.ClientCounts("b").Sub(before)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpCreate2: 3}, cost.Requests)
		assert.Zero(t, cost.Watches)

		require.NoError(t, held.Release(t.Context()))
		for _, p := range append([]waiting{first}, rest...) {
			claim := <-p.granted
			synctest.Wait()
			require.NoError(t, claim.Release(t.Context()))
		}
		assert.EqualValues(t, 1, w.ClientCounts("b").Requests[zktest.OpGetChildren2], "a list of the first, and none of its heirs")
		assert.Empty(t, w.nodes())
	})
}

// Places leave a line in any order, at its head and behind it, and the others go on.
func TestPlacesThatLeaveALine(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, a := w.client("a")
		_, b := w.client("b")
		held, err := strict.Acquire(t.Context(), a, hold)
		require.NoError(t, err)
		places := w.behind(b, 4)
		order, _ := strict.Dialect.Arrange(w.nodes())
		for _, gone := range []int{1, 0} {
			places[gone].stop()
			err := <-places[gone].err
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, "waited behind "+strict.Dir+"/"+order[gone].Full)
		}
		time.Sleep(time.Second)
		assert.Len(t, w.nodes(), 3)
		require.NoError(t, held.Release(t.Context()))
		for _, left := range []int{2, 3} {
			require.NoError(t, (<-places[left].granted).Release(t.Context()))
		}
		assert.Empty(t, w.nodes())
	})
}

// Nodes of a line that somebody else deletes cost their places, not their wishes.
func TestDeletedNodesOfALine(t *testing.T) {
	for deleted, name := range []string{"of the first", "of one behind it", "of all"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, a := w.client("a")
				_, b := w.client("b")
				held, err := strict.Acquire(t.Context(), a, hold)
				require.NoError(t, err)
				places := w.behind(b, 3)
				order, _ := strict.Dialect.Arrange(w.nodes())
				for i, n := range order[1:] {
					if deleted == 2 || deleted == i {
						require.NoError(t, w.Delete(strict.Dir+"/"+n.Full))
					}
				}
				time.Sleep(time.Second)
				require.NoError(t, held.Release(t.Context()))
				var all sync.WaitGroup
				last := atomic.Int64{}
				for _, p := range places {
					all.Go(func() {
						claim := <-p.granted
						assert.Greater(t, claim.Token(), last.Swap(claim.Token()))
						assert.NoError(t, claim.Release(context.Background()))
					})
				}
				all.Wait()
				assert.Empty(t, w.nodes())
			})
		})
	}
}

// When the session is lost, all places of its line learn of it.
func TestLineOfASessionThatIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, a := w.client("a")
		_, b := w.client("b")
		_, err := strict.Acquire(t.Context(), a, hold)
		require.NoError(t, err)
		places := w.behind(b, 3)
		w.ExpireSession(b.ID())
		for _, p := range places {
			assert.ErrorIs(t, <-p.err, framework.ErrSessionLost)
		}
	})
}

// A place of an earlier directory, whose numbers have begun again since, is ahead of nobody.
func TestLineWhoseDirectoryIsMadeAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, a := w.client("a")
		_, b := w.client("b")
		_, c := w.client("c")
		_, err := strict.Acquire(t.Context(), a, hold)
		require.NoError(t, err)
		places := w.behind(b, 3)
		for _, name := range w.nodes() {
			require.NoError(t, w.Delete(strict.Dir+"/"+name))
		}
		require.NoError(t, w.Delete(strict.Dir))
		places = append(places, w.behind(c, 1)...)
		var holders atomic.Int64
		var all sync.WaitGroup
		for _, p := range places {
			all.Go(func() {
				claim := <-p.granted
				assert.EqualValues(t, 1, holders.Add(1))
				time.Sleep(time.Second)
				assert.NoError(t, context.Cause(claim.Context()))
				holders.Add(-1)
				assert.NoError(t, claim.Release(context.Background()))
			})
		}
		all.Wait()
	})
}

// Whoever tries gets what is free, although others of the session are about to queue.
func TestTryBesideOthersWhoAreAboutToQueue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		strict.AboutToQueue(s, 5)
		claim, err := strict.TryAcquire(t.Context(), s, hold)
		require.NoError(t, err)
		_, err = strict.TryAcquire(t.Context(), s, hold)
		require.ErrorIs(t, err, contend.ErrTaken)
		require.NoError(t, claim.Release(t.Context()))
	})
}
