package lock_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// holding is what every kind of lock gives.
type holding = lock.Holding

// way is how one kind of lock is locked.
type way func(ctx context.Context, cli *framework.Client) (holding, error)

// cost is what an uncontended acquisition asks of the servers: requests, and how often it waits for an answer before it asks
// again.
type cost struct {
	requests   requests
	roundTrips int
}

var (
	listedCreate = cost{requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, 1}
	listedTwins  = cost{requests{zktest.OpMulti: 1, zktest.OpGetChildren2: 1}, 1}
	oneDelete    = cost{requests{zktest.OpDelete: 1}, 1}
	oneMulti     = cost{requests{zktest.OpMulti: 1}, 1}
)

// costs are the figures that the documentation gives.
var costs = []struct {
	name            string
	way             way
	acquire, unlock cost
}{
	{"Mutex", mutexWay(), listedCreate, oneDelete},
	{"Mutex, Shared", mutexWay(lock.Shared()), listedTwins, oneMulti},
	{"Mutex, LocalHandover", mutexWay(lock.LocalHandover(9)), listedCreate, oneDelete},
	{"Mutex, TryLock", tryWay, cost{requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 2}, 2}, oneDelete},
	{"RWMutex, write", rwWay((*lock.RWMutex).Lock), listedCreate, oneDelete},
	{"RWMutex, read", rwWay((*lock.RWMutex).RLock), listedCreate, oneDelete},
	{"RWMutex, write, Shared", rwWay((*lock.RWMutex).Lock, lock.Shared()), listedTwins, oneMulti},
	{"RWMutex, read, Shared", rwWay((*lock.RWMutex).RLock, lock.Shared()), listedTwins, oneMulti},
	{"RWMutex, downgraded", rwWay(downgraded), cost{requests{zktest.OpCreate2: 2, zktest.OpGetChildren2: 1, zktest.OpDelete: 1}, 3}, oneDelete},
	{"RWMutex, downgraded, Shared", rwWay(downgraded, lock.Shared()), cost{requests{zktest.OpMulti: 3, zktest.OpGetChildren2: 1}, 3}, oneMulti},
	{"Semaphore, 1 permit", permitsWay(1), cost{requests{zktest.OpCreate2: 1, zktest.OpGetChildren2: 2}, 2}, oneDelete},
	{"Semaphore, 3 permits", permitsWay(3), cost{requests{zktest.OpCreate2: 3, zktest.OpGetChildren2: 2}, 3}, cost{requests{zktest.OpDelete: 3}, 3}},
	{"Multi, 2 paths", multiWay(), cost{requests{zktest.OpCreate2: 2, zktest.OpGetChildren2: 2}, 2}, cost{requests{zktest.OpDelete: 2}, 2}},
	{"Multi, 2 paths, Shared", multiWay(lock.Shared()), cost{requests{zktest.OpMulti: 2, zktest.OpGetChildren2: 2}, 2}, cost{requests{zktest.OpMulti: 2}, 2}},
}

func mutexWay(opts ...lock.Option) way {
	return func(ctx context.Context, cli *framework.Client) (holding, error) {
		return lock.New(cli, path, opts...).Lock(ctx)
	}
}

func tryWay(ctx context.Context, cli *framework.Client) (holding, error) {
	return lock.New(cli, path).TryLock(ctx)
}

func rwWay(get func(*lock.RWMutex, context.Context) (*lock.Held, error), opts ...lock.Option) way {
	return func(ctx context.Context, cli *framework.Client) (holding, error) {
		return get(lock.NewRW(cli, path, opts...), ctx)
	}
}

func downgraded(m *lock.RWMutex, ctx context.Context) (*lock.Held, error) { // as the method expressions have it
	held, err := m.Lock(ctx)
	if err != nil {
		return nil, err
	}
	return held.Downgrade(ctx)
}

func permitsWay(n int) way {
	return func(ctx context.Context, cli *framework.Client) (holding, error) {
		return lock.NewSemaphore(cli, pool, 3).Acquire(ctx, n)
	}
}

func multiWay(opts ...lock.Option) way {
	return func(ctx context.Context, cli *framework.Client) (holding, error) {
		return lock.NewMulti(cli, []string{"/m/1", "/m/2"}, opts...).Lock(ctx)
	}
}

// slow makes the way to the server so long that the network's own delays do not count, and is short enough for nobody to hold
// so long that it watches its node.
const slow = 3 * time.Millisecond

// measure returns what f costs.
func (w *world) measure(f func()) (c cost, watches int64) {
	before, at := w.Counts(), time.Now()
	f()
	took := time.Since(at)
	synctest.Wait()
	d := w.Counts().Sub(before)
	delete(d.Requests, zktest.OpPing)
	return cost{d.Requests, int(math.Round(float64(took) / float64(2*slow)))}, d.Watches
}

func TestCosts(t *testing.T) {
	for _, c := range costs {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				get := func() (held holding) {
					held, err := c.way(t.Context(), cli)
					require.NoError(t, err)
					return held
				}
				require.NoError(t, get().Unlock(t.Context()), "the first one pays for the directory")
				defer w.Delay(zktest.AllConns(), slow)()
				var held holding
				acquire, _ := w.measure(func() { held = get() })
				assert.Equal(t, c.acquire, acquire)
				unlock, watches := w.measure(func() { require.NoError(t, held.Unlock(t.Context())) })
				assert.Equal(t, c.unlock, unlock)
				assert.Zero(t, watches)
				t.Logf("%s: acquire %v in %d round trips, release %v in %d", c.name, acquire.requests, acquire.roundTrips, unlock.requests, unlock.roundTrips)
			})
		})
	}
}

// A hand-over, from the call of Unlock until the next one holds.
func TestCostsOfHandovers(t *testing.T) {
	through := cost{requests{zktest.OpDelete: 1}, 1}
	for _, c := range []struct {
		name string
		most int // hand-overs; -1 for none of them, by another process
		opts []lock.Option
		want cost
	}{
		{"local", 1, nil, cost{requests{}, 0}},
		{"local, Shared", 1, []lock.Option{lock.Shared()}, cost{requests{}, 0}},
		{"local, but it was the last turn", 0, nil, cost{requests{zktest.OpDelete: 1, zktest.OpCreate2: 1, zktest.OpGetChildren2: 1}, 2}},
		{"through the servers", -1, nil, through},
		{"through the servers, Shared", -1, []lock.Option{lock.Shared()}, cost{requests{zktest.OpMulti: 1, zktest.OpGetChildren2: 1}, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a := lock.New(w.Connect("a"), path, append(c.opts, lock.LocalHandover(max(0, c.most)))...)
				b := a
				if c.most < 0 {
					b = lock.New(w.Connect("b"), path, c.opts...)
				}
				held := locked(t, a)
				waiting := start(t.Context(), b)
				defer w.Delay(zktest.AllConns(), slow)()
				time.Sleep(timeout) // watches of those who hold and wait
				got, _ := w.measure(func() {
					go func() { _ = held.Unlock(t.Context()) }()
					r := <-waiting
					require.NoError(t, r.err)
				})
				assert.Equal(t, c.want, got)
				t.Logf("%s: %v in %d round trips", c.name, got.requests, got.roundTrips)
			})
		})
	}
}
