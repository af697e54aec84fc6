package zktest_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// inOrder is a HostProvider that tries servers in their order; go-zookeeper's own shuffles them.
type inOrder struct {
	servers []string
	next    int
}

func (h *inOrder) Init([]string) error { return nil }
func (h *inOrder) Len() int            { return len(h.servers) }
func (h *inOrder) Connected()          {}
func (h *inOrder) Next() (string, bool) {
	h.next++
	return h.servers[h.next%len(h.servers)], h.next > 1 && h.next%len(h.servers) == 1
}

// simulate lets unmodified go-zookeeper clients work for a while on a server that has accidents, and returns the trace.
func simulate(t *testing.T, seed uint64) string {
	log := newTraceLog()
	synctest.Test(t, func(t *testing.T) {
		srv, err := zktest.StartMemory(zktest.Config{Seed: seed, Endpoints: 2, Trace: log.add})
		require.NoError(t, err)
		defer func() { require.NoError(t, srv.Close()); time.Sleep(10 * time.Second) }()
		_, err = srv.Create("/work", nil, zktest.Persistent)
		require.NoError(t, err)
		var workers sync.WaitGroup
		for i := range 3 {
			workers.Go(func() { labour(srv, fmt.Sprint("w", i), rand.New(rand.NewPCG(seed, uint64(i)))) })
		}
		accidents(srv, rand.New(rand.NewPCG(seed, 99)))
		workers.Wait()
	})
	return log.text()
}

// labour is what one client does in the bubble: it creates and deletes, lists and watches, and does not mind errors.
func labour(srv *zktest.Server, name string, draw *rand.Rand) {
	c, _, err := zk.Connect(srv.Addrs(), 2*time.Second, zk.WithDialer(srv.Client(name).DialTimeout), zk.WithLogger(silent{}),
		zk.WithHostProvider(&inOrder{servers: srv.Addrs()}), zk.WithMaxConnBufferSize(64<<10), zk.WithMaxBufferSize(64<<10))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	for range 60 {
		switch draw.IntN(4) {
		case 0:
			_, _ = c.Create("/work/"+name+"-", []byte(name), zk.FlagEphemeral|zk.FlagSequence, open)
		case 1:
			if kids, _, err := c.Children("/work"); err == nil && len(kids) > 0 {
				_ = c.Delete("/work/"+kids[draw.IntN(len(kids))], -1)
			}
		case 2:
			_, _, _, _ = c.ChildrenW("/work")
		case 3:
			_, _ = c.Set("/work", []byte(name), -1)
		}
		time.Sleep(time.Duration(draw.Int64N(int64(300 * time.Millisecond))))
	}
}

// accidents happen for about 20 seconds of the bubble's time.
func accidents(srv *zktest.Server, draw *rand.Rand) {
	for range 15 {
		victim := zktest.ClientConns(fmt.Sprint("w", draw.IntN(3)))
		heal := func() {}
		switch draw.IntN(8) {
		case 0:
			srv.Cut(zktest.AllConns())
		case 1:
			srv.Cut(victim)
		case 2:
			heal = srv.Blackhole(victim, zktest.Direction(draw.IntN(3)))
		case 3:
			heal = srv.Delay(victim, time.Duration(draw.Int64N(int64(time.Second))))
		case 4:
			if sessions := srv.Sessions(); len(sessions) > 0 {
				srv.ExpireSession(sessions[draw.IntN(len(sessions))].ID)
			}
		case 5:
			srv.Pause(1)
			heal = func() { srv.Resume(1) }
		case 6:
			srv.Stop(0)
			heal = func() { _ = srv.StartEndpoint(0) }
		case 7:
			heal = srv.LoseReply(zktest.OpCreate, 2)
		}
		time.Sleep(time.Second + time.Duration(draw.Int64N(int64(time.Second))))
		heal()
	}
}

func TestASeedReplays(t *testing.T) {
	// Two goroutines of one client that one message wakes may still race; on one processor they run in a fixed order.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	traces := make(map[string]uint64)
	const seeds = 20
	for seed := range uint64(seeds) {
		first := simulate(t, seed)
		sameLines(t, first, simulate(t, seed))
		traces[first] = seed
	}
	require.Len(t, traces, seeds, "every seed is another story")
}

// The calls that a test makes at one instant come before what the server does about them, however goroutines are scheduled. So the
// story is the same when each call is followed by all that can happen at its instant.
func TestWhatATestDoesAtOneInstantDoesNotRace(t *testing.T) {
	story := func(settle func()) string {
		log := newTraceLog()
		synctest.Test(t, func(t *testing.T) {
			srv, err := zktest.StartMemory(zktest.Config{Trace: log.add})
			require.NoError(t, err)
			defer func() { require.NoError(t, srv.Close()); time.Sleep(10 * time.Second) }()
			labourer := make(chan struct{})
			go func() { defer close(labourer); labour(srv, "w", rand.New(rand.NewPCG(1, 2))) }()
			_, err = srv.Create("/work", nil, zktest.Persistent)
			require.NoError(t, err)
			interfere(t, srv, settle)
			<-labourer
		})
		return log.text()
	}
	sameLines(t, story(func() {}), story(synctest.Wait))
}

// interfere does several things to a server at each of a few instants of a bubble.
func interfere(t *testing.T, srv *zktest.Server, settle func()) {
	for range 5 {
		time.Sleep(2 * time.Second)
		hole := srv.Blackhole(zktest.AllConns(), zktest.Both)
		time.Sleep(time.Second)
		hole()
		settle()
		srv.Cut(zktest.AllConns())

		time.Sleep(2 * time.Second)
		_, err := srv.Create("/work/x", nil, zktest.PersistentSequential)
		require.NoError(t, err)
		settle()
		require.NoError(t, srv.Set("/work", nil))
		settle()
		srv.Pause()
		time.Sleep(time.Second)
		srv.Resume()
		settle()
		for _, ss := range srv.Sessions() {
			srv.ExpireSession(ss.ID)
		}
		settle()
		srv.Stop()
		settle()
		require.NoError(t, srv.StartEndpoint())
	}
}
