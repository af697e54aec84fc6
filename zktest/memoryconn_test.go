package zktest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func TestMemoryAddresses(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 3}, func(w *world) {
		require.Equal(w, "192.0.2.1:2181,192.0.2.2:2181,192.0.2.3:2181", w.srv.ConnectString())
		for i, name := range []string{"zk1:2181", "zk2:2181", "zk3:2181"} {
			c, err := w.srv.Client("a").Dial(w.Context(), "tcp", name)
			require.NoError(w, err)
			require.Equal(w, w.srv.Addrs()[i], c.RemoteAddr().String())
			require.Equal(w, i, w.srv.Conns()[i].Endpoint)
			require.Equal(w, c.LocalAddr().String(), w.srv.Conns()[i].Addr.String())
			defer c.Close()
		}
		b, err := w.srv.Client("b").Dial(w.Context(), "tcp", "zk1:2181")
		require.NoError(w, err)
		require.NotEqual(w, w.srv.Conns()[0].Addr.(*net.TCPAddr).IP.String(), b.LocalAddr().(*net.TCPAddr).IP.String())
		require.NoError(w, b.Close())
		require.Equal(w, "b", w.srv.Client("b").Name())
		require.Same(w, w.srv.Client("b"), w.srv.Client("b"))
		anon, err := w.srv.Dial(w.Context(), "tcp4", "zk1:2181")
		require.NoError(w, err)
		require.Equal(w, "127.0.0.1", anon.LocalAddr().(*net.TCPAddr).IP.String())
		require.NoError(w, anon.Close())
	})
}

func TestMemoryDialErrors(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		dial := func(network, addr string) error {
			_, err := w.srv.Dial(w.Context(), network, addr)
			var op *net.OpError
			require.ErrorAs(w, err, &op, addr)
			require.Equal(w, "dial", op.Op)
			return err
		}
		require.ErrorIs(w, dial("udp", "zk1:2181"), net.UnknownNetworkError("udp"))
		require.ErrorIs(w, dial("tcp", "192.0.2.9:2181"), syscall.ECONNREFUSED)
		require.ErrorIs(w, dial("tcp", "192.0.2.1:2182"), syscall.ECONNREFUSED)
		for _, name := range []string{"zk2:2181", "zk0:2181", "zk1:1", "example.com:2181"} {
			var dns *net.DNSError
			require.ErrorAs(w, dial("tcp", name), &dns)
			require.True(w, dns.IsNotFound)
		}
		var addrErr *net.AddrError
		require.ErrorAs(w, dial("tcp", "zk1"), &addrErr)
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		_, err := w.srv.Dial(ctx, "tcp", "zk1:2181")
		require.ErrorIs(w, err, context.Canceled)
	})
}

func TestMemoryDialGivenUpHalfway(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		_, err := w.srv.Dial(w.quickly(10*time.Microsecond), "tcp", "zk1:2181") // before the server has heard of it
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		_, err = w.srv.Dial(w.quickly(310*time.Microsecond), "tcp", "zk1:2181") // before its answer is back
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		time.Sleep(time.Second)
		require.Empty(w, w.srv.Conns())
		require.Contains(w, w.log.text(), "conn 2 @0 closed", "two connections came, and went")
	})
}

func TestMemoryConnDeadlines(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		c := w.join("a").conn
		b := make([]byte, 1)
		start := time.Now()
		require.NoError(w, c.SetReadDeadline(start.Add(time.Second)))
		_, err := c.Read(b)
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		require.True(w, err.(net.Error).Timeout())
		require.Equal(w, time.Second, time.Since(start))
		_, err = c.Read(b)
		require.ErrorIs(w, err, os.ErrDeadlineExceeded, "until it is moved")

		require.NoError(w, c.SetReadDeadline(time.Now().Add(time.Hour)))
		time.AfterFunc(time.Second, func() { _ = c.SetReadDeadline(time.Now().Add(time.Second)) })
		start = time.Now()
		_, err = c.Read(b)
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		require.Equal(w, 2*time.Second, time.Since(start), "a waiting read sees a new deadline")

		require.NoError(w, c.SetWriteDeadline(time.Now()))
		_, err = c.Write(b)
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		require.NoError(w, c.SetDeadline(time.Time{}))
		_, err = c.Write(frame(&jute.RequestHeader{Xid: -2, Op: int32(zktest.OpPing)}))
		require.NoError(w, err)
		_, err = c.Read(b)
		require.NoError(w, err)
		n, err := c.Read(nil)
		require.Zero(w, n)
		require.NoError(w, err)
		require.NoError(w, c.SetReadDeadline(time.Now()))
		_, err = c.Read(b)
		require.ErrorIs(w, err, os.ErrDeadlineExceeded, "also when there is something to read")
	})
}

func TestMemoryConnEnds(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		time.AfterFunc(time.Second, func() { _ = a.conn.Close() })
		_, err := a.conn.Read(make([]byte, 1))
		require.ErrorIs(w, err, net.ErrClosed, "closed while it waits")
		_, err = a.conn.Write([]byte{1})
		require.ErrorIs(w, err, net.ErrClosed)
		require.ErrorIs(w, a.conn.Close(), net.ErrClosed)
		require.ErrorIs(w, a.conn.SetDeadline(time.Now()), net.ErrClosed)

		b := w.resume(a, 0)
		b.post(zktest.OpCloseSession, joined{})
		all, err := io.ReadAll(b.conn)
		require.NoError(w, err, "what came before the end can be read")
		require.Len(w, all, 20)
		_, err = b.conn.Write([]byte{1})
		require.NoError(w, err, "the server's end says nothing of ours")

		c := w.join("c")
		c.post(zktest.OpGetData, root)
		time.Sleep(time.Second)
		w.srv.Cut(zktest.AllConns())
		time.Sleep(time.Second)
		_, err = c.conn.Write([]byte{1})
		require.ErrorIs(w, err, syscall.EPIPE)
		all, err = io.ReadAll(c.conn)
		require.ErrorIs(w, err, syscall.ECONNRESET)
		require.NotEmpty(w, all)
		require.Contains(w, err.Error(), "read tcp 10.")
	})
}

// TestMemoryConnIsSafeForConcurrentUse has readers, writers and deadlines at once, outside of a bubble.
func TestMemoryConnIsSafeForConcurrentUse(t *testing.T) {
	srv, err := zktest.StartMemory(zktest.Config{Latency: time.Microsecond})
	require.NoError(t, err)
	defer srv.Close()
	w := newWorld(t, srv, newTraceLog())
	a := w.join("a")
	const each, writers = 200, 4
	ping := frame(&jute.RequestHeader{Xid: -2, Op: int32(zktest.OpPing)})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				_, err := a.conn.Write(ping)
				if err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range each {
			_ = a.conn.SetReadDeadline(time.Now().Add(time.Minute))
		}
	})
	got := make([]byte, 20*each*writers)
	_, err = io.ReadFull(a.conn, got)
	require.NoError(t, err)
	wg.Wait()
}

// TestMemoryNetworkGivesEveryMessageItsOwnInstant is what determinism rests on.
func TestMemoryNetworkGivesEveryMessageItsOwnInstant(t *testing.T) {
	inBubble(t, zktest.Config{Latency: time.Nanosecond}, func(w *world) {
		var mu sync.Mutex
		instants := make(map[time.Time]string)
		var wg sync.WaitGroup
		var clients []*raw
		for i := range 50 {
			clients = append(clients, w.join(fmt.Sprint("c", i)))
		}
		for _, c := range clients {
			wg.Go(func() {
				for {
					_, err := c.conn.Read(make([]byte, 1000))
					mu.Lock()
					before, taken := instants[time.Now()]
					if taken {
						panic(before + " and " + c.name)
					}
					instants[time.Now()] = c.name
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		for range 20 {
			for _, c := range clients {
				c.post(zktest.OpPing, joined{})
			}
			time.Sleep(time.Millisecond)
		}
		w.srv.Cut(zktest.AllConns())
		wg.Wait()
		require.Equal(w, 50*21, len(instants))
	})
}

func TestLatencyIsWithinItsBounds(t *testing.T) {
	for _, mean := range []time.Duration{0, 10 * time.Millisecond} {
		inBubble(t, zktest.Config{Latency: mean}, func(w *world) {
			a := w.join("a")
			if mean == 0 {
				mean = 200 * time.Microsecond
			}
			shortest, longest := time.Hour, time.Duration(0)
			for range 1000 {
				start := time.Now()
				w.works(a)
				shortest, longest = min(shortest, time.Since(start)), max(longest, time.Since(start))
			}
			require.GreaterOrEqual(w, shortest, mean)
			require.Less(w, shortest, mean*5/4)
			require.LessOrEqual(w, longest, 3*mean)
			require.Greater(w, longest, mean*11/4)
		})
	}
}

func TestSlowReaderIsCutAndDoesNotDelayOthers(t *testing.T) {
	onBoth(t, zktest.Config{}.WithMaxQueued(2<<20), func(w *world) {
		a, b := w.join("a"), w.join("b")
		require.NoError(w, w.srv.Set("/", make([]byte, 1<<20)))
		const requests = 50 // more than sockets hold
		for range requests {
			a.post(zktest.OpGetData, root)
		}
		w.log.until("conn 1 a@0 cut")
		w.works(b)
		n, err := io.Copy(io.Discard, a.conn) // over TCP the error may have gone to a write
		require.NotErrorIs(w, err, os.ErrDeadlineExceeded)
		require.Less(w, n, int64(requests<<20))
	})
}

func TestCloseDoesNotWaitForSlowReaders(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		require.NoError(w, w.srv.Set("/", make([]byte, 1<<20)))
		for range 20 { // more than sockets hold
			a.post(zktest.OpGetData, root)
		}
		w.works(b)
		w.srv.ExpireSession(a.id) // waits for the reader, but not for ever
		require.NoError(w, w.srv.Close())
	})
}
