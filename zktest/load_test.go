package zktest_test

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func TestManyChildren(t *testing.T) {
	const n = 40_000
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		_, err := w.srv.Create("/many", nil, zktest.Persistent)
		require.NoError(w, err)
		for range n {
			_, err := w.srv.CreateFor(a.id, "/many/some-rather-long-name-", nil, zktest.EphemeralSequential)
			require.NoError(w, err)
		}
		a.post(zktest.OpGetChildren2, &jute.PathWatchRequest{Path: "/many"})
		require.NotZero(w, len(a.read()))
		names, err := w.srv.Children("/many")
		require.NoError(w, err)
		require.Len(w, names, n)
		require.Equal(w, fmt.Sprintf("some-rather-long-name-%010d", n-1), names[n-1])
		for i := 0; i < n; i += 1000 {
			require.NoError(w, w.srv.Delete("/many/"+names[i]))
		}
		require.Len(w, w.srv.Sessions()[0].Ephemerals, n-n/1000)
		w.srv.ExpireSession(a.id)
		require.Len(w, w.srv.Dump(), 2)
	})
}

// TestManyWaiters has a thousand clients in a queue, each of which watches the one before it.
func TestManyWaiters(t *testing.T) {
	const n = 1000
	onBoth(t, zktest.Config{}, func(w *world) {
		queue := make([]*raw, n)
		for i := range queue {
			queue[i] = w.join(fmt.Sprint(i))
			require.Zero(w, w.ask(queue[i], zktest.OpCreate, creating("/q-", "", 3)))
			if i > 0 {
				before := fmt.Sprintf("/q-%010d", i-1)
				require.Zero(w, w.ask(queue[i], zktest.OpGetData, &jute.PathWatchRequest{Path: before, Watch: true}))
			}
		}
		start := w.srv.Counts()
		for i := range n - 1 {
			require.Zero(w, w.ask(queue[i], zktest.OpDelete, deleting(fmt.Sprintf("/q-%010d", i), -1)))
			w.event(queue[i+1], fmt.Sprintf("Deleted /q-%010d", i))
		}
		require.EqualValues(w, n-1, w.srv.Counts().Sub(start).Events, "one wake-up for each release")
	})
}

// TestThousandWatchersOfOneNode has a thousand watchers of one node.
func TestThousandWatchersOfOneNode(t *testing.T) {
	const n = 1000
	onBoth(t, zktest.Config{}, func(w *world) {
		herd := make([]*raw, n)
		for i := range herd {
			herd[i] = w.join("")
			require.Zero(w, w.ask(herd[i], zktest.OpAddWatch, &jute.PathInt32Request{Path: "/", Value: 1}))
		}
		_, err := w.srv.Create("/x", nil, zktest.Persistent)
		require.NoError(w, err)
		for _, r := range herd {
			w.event(r, "Created /x")
		}
		for _, r := range herd {
			require.True(w, w.srv.ExpireSession(r.id))
		}
		for _, r := range herd {
			w.ended(r)
		}
	})
}

// TestStartAndCloseUnderTraffic closes servers while clients come, ask and go.
func TestStartAndCloseUnderTraffic(t *testing.T) {
	for name, start := range map[string]func(zktest.Config) (*zktest.Server, error){"tcp": zktest.Start, "memory": zktest.StartMemory} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				srv, err := start(zktest.Config{Latency: time.Microsecond})
				require.NoError(t, err)
				var clients sync.WaitGroup
				for i := range 8 {
					clients.Go(func() { pester(srv, fmt.Sprint(i)) })
				}
				srv.Cut(zktest.AllConns())
				require.NoError(t, srv.Restart(zktest.KeepState))
				srv.Pause()
				srv.Resume()
				require.NoError(t, srv.Close())
				clients.Wait()
			}
		})
	}
}

// pester connects and asks until nobody answers any longer.
func pester(srv *zktest.Server, name string) {
	ask := frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)})
	for range 10 {
		ask = append(ask, frame(&jute.RequestHeader{Op: int32(zktest.OpGetData)}, root)...)
	}
	for range 50 {
		conn, err := srv.Client(name).DialTimeout("tcp", srv.Addrs()[0], time.Second)
		if err != nil {
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write(ask)
		_, _ = conn.Read(make([]byte, 37))
		_ = conn.Close()
	}
}

func BenchmarkStartMemory(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		srv, err := zktest.StartMemory(zktest.Config{})
		if err != nil {
			b.Fatal(err)
		}
		_ = srv.Close()
	}
}

// BenchmarkRoundTrip measures a read over TCP. (In a bubble it would measure the bubble's time.)
func BenchmarkRoundTrip(b *testing.B) {
	srv, err := zktest.Start(zktest.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	conn, err := srv.DialTimeout("tcp", srv.Addrs()[0], time.Second)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	ask := frame(&jute.RequestHeader{Op: int32(zktest.OpGetData)}, root)
	in := frame(&jute.ConnectRequest{TimeOut: 60000, Passwd: make([]byte, 16)})
	answer := make([]byte, 4+36)
	b.ReportAllocs()
	for range b.N {
		if _, err := conn.Write(in); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			b.Fatal(err)
		}
		in, answer = ask, answer[:cap(answer)]
		if cap(answer) == 40 {
			answer = make([]byte, 4+16+4+68) // a header, no data, a Stat
		}
	}
}
