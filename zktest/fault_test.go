package zktest_test

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

var root = &jute.PathWatchRequest{Path: "/"}

func TestCutResetsConnectionsAndSparesSessions(t *testing.T) {
	onBoth(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a, b := w.joinAt("a", 0, time.Minute), w.joinAt("b", 1, time.Minute)
		other := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/e", "", 1)))
		require.Equal(w, 1, w.srv.Cut(zktest.SessionConns(a.id)))
		w.ended(a)
		w.works(b)
		w.works(other)
		a = w.resume(a, 1)
		w.works(a)
		require.True(w, w.srv.Exists("/e"))
		require.Equal(w, 1, w.srv.Cut(zktest.ClientConns("a").And(zktest.EndpointConns(0))))
		w.ended(other)
		require.Equal(w, 1, w.srv.Cut(zktest.ClientConns("a", "x")))
		require.Equal(w, 0, w.srv.Cut(zktest.EndpointConns(1).And(zktest.ClientConns("b").Not())))
		require.Equal(w, 1, w.srv.Cut(zktest.AllConns()))
		w.ended(b)
		require.Len(w, w.srv.Sessions(), 3)
		require.Empty(w, w.srv.Conns())
	})
}

func TestBlackholeHoldsPacketsAndDeliversThemAfterwards(t *testing.T) {
	for name, dir := range map[string]zktest.Direction{"both": zktest.Both, "to server": zktest.ToServer, "to client": zktest.ToClient} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, zktest.Config{}, func(w *world) {
				a, b := w.join("a"), w.join("b")
				heal := w.srv.Blackhole(zktest.ClientConns("a"), dir)
				a.post(zktest.OpCreate, creating("/x", "", 0))
				a.post(zktest.OpSetData, setting("/x", "later", 0))
				w.silent(a, 50*time.Millisecond)
				w.works(b)
				require.Equal(w, dir == zktest.ToClient, w.srv.Exists("/x"))
				heal()
				for xid := range int32(2) {
					h, _, err := a.answer()
					require.NoError(w, err)
					require.Equal(w, xid+1, h.Xid)
					require.Zero(w, h.Err)
				}
				w.works(a)
			})
		})
	}
}

func TestBlackholeHidesTheEndOfConnections(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		heal := w.srv.Blackhole(zktest.ClientConns("a"), zktest.Both)
		a.post(zktest.OpCreate, creating("/late", "", 0))
		require.NoError(w, a.conn.Close())
		w.works(w.join("b"))
		require.Len(w, w.srv.Conns(), 2, "the server cannot know that the client has gone")
		heal()
		w.log.until("conn 1 a@0 closed")
		require.Len(w, w.srv.Conns(), 1)
		require.True(w, w.srv.Exists("/late"), "what the client had sent arrives with the end of its stream")
	})
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		heal := w.srv.Blackhole(zktest.ClientConns("a"), zktest.ToClient)
		w.srv.ExpireSession(a.id)
		w.silent(a, 50*time.Millisecond)
		heal()
		w.ended(a)
	})
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		heal := w.srv.Blackhole(zktest.ClientConns("a"), zktest.ToClient)
		a.post(zktest.OpCreate, creating("/lost", "", 0))
		w.log.until("reply create /lost")
		require.True(w, w.srv.Exists("/lost"))
		w.srv.Cut(zktest.ClientConns("a"))
		w.silent(a, 50*time.Millisecond)
		heal()
		w.ended(a) // and the reply that was held is lost
	})
}

func TestBlackholeSwallowsDials(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		heal := w.srv.Blackhole(zktest.ClientConns("a"), zktest.ToClient)
		start := time.Now()
		_, err := w.srv.Client("a").Dial(w.quickly(3*time.Second), "tcp", w.srv.Addrs()[0])
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		require.ErrorIs(w, err, context.DeadlineExceeded)
		require.True(w, err.(net.Error).Timeout())
		require.Equal(w, 3*time.Second, time.Since(start))
		ctx, cancel := context.WithCancel(w.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = w.srv.Client("a").Dial(ctx, "tcp", w.srv.Addrs()[0])
		require.ErrorIs(w, err, context.Canceled)
		w.works(w.join("b"))

		time.AfterFunc(time.Second, heal)
		start = time.Now()
		w.works(w.join("a"))
		require.InDelta(w, 1.0, time.Since(start).Seconds(), 0.01)
	})
}

func TestBlackholedDialEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		srv.Blackhole(zktest.AllConns(), zktest.Both)
		time.AfterFunc(time.Second, func() { require.NoError(t, srv.Close()) })
		_, err = srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		_, err = srv.Dial(t.Context(), "tcp", srv.Addrs()[0])
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
	})
}

func TestBlackholeOverTCPAcceptsAndKeepsSilent(t *testing.T) {
	onTCP(t, zktest.Config{}, func(w *world) {
		heal := w.srv.Blackhole(zktest.ClientConns("a"), zktest.Both)
		a := w.knock("a", 0)
		a.send(frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)}))
		w.silent(a, 50*time.Millisecond)
		heal()
		_, _, err := a.answer() // a connect response is longer than a header
		require.NoError(w, err)
	})
}

func TestDelayAddsToEachDirection(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		heal := w.srv.Delay(zktest.ClientConns("a"), time.Second)
		more := w.srv.Delay(zktest.AllConns().And(zktest.SessionConns(a.id)), 500*time.Millisecond)
		roundTrip := func(r *raw) float64 {
			start := time.Now()
			w.works(r)
			return time.Since(start).Seconds()
		}
		require.InDelta(w, 3.0, roundTrip(a), 0.01)
		require.InDelta(w, 0.0, roundTrip(b), 0.01)
		more()
		require.InDelta(w, 2.0, roundTrip(a), 0.01)
		start := time.Now()
		w.knock("a", 0)
		require.InDelta(w, 2.0, time.Since(start).Seconds(), 0.01, "a dial takes a round trip")
		for range 3 {
			a.post(zktest.OpExists, root)
		}
		heal()
		for xid := a.xid - 2; xid <= a.xid; xid++ {
			h, _, err := a.answer()
			require.NoError(w, err)
			require.Equal(w, xid, h.Xid)
		}
		require.InDelta(w, 0.0, roundTrip(a), 0.01)
	})
}

func TestDelayOverTCP(t *testing.T) {
	onTCP(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		defer w.srv.Delay(zktest.AllConns(), 20*time.Millisecond)()
		start := time.Now()
		w.works(a)
		require.GreaterOrEqual(w, time.Since(start), 40*time.Millisecond)
	})
}

func TestExpireSession(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/e", "", 1)))
		require.Zero(w, w.ask(b, zktest.OpGetData, &jute.PathWatchRequest{Path: "/e", Watch: true}))
		require.True(w, w.srv.ExpireSession(a.id))
		require.False(w, w.srv.ExpireSession(a.id))
		w.event(b, "Deleted /e")
		w.ended(a)
		require.Zero(w, w.resume(a, 0).id)
		require.False(w, w.srv.Exists("/e"))
		require.Len(w, w.srv.Sessions(), 1)
	})
}

// TestQueuesAreBounded fills the queues of connections whose packets do not get through.
func TestQueuesAreBounded(t *testing.T) {
	for name, trouble := range map[string]func(w *world){
		"to server": func(w *world) { w.srv.Blackhole(zktest.ClientConns("a"), zktest.ToServer) },
		"to client": func(w *world) { w.srv.Blackhole(zktest.ClientConns("a"), zktest.ToClient) },
		"paused":    func(w *world) { w.srv.Pause(0) },
		"delayed":   func(w *world) { w.srv.Delay(zktest.ClientConns("a"), time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, zktest.Config{Endpoints: 2}.WithMaxQueued(1<<20), func(w *world) {
				a, b := w.join("a"), w.joinAt("b", 1, time.Minute)
				require.NoError(w, w.srv.Set("/", make([]byte, 1<<19)))
				trouble(w)
				for range 3 {
					a.post(zktest.OpGetData, root)
					a.post(zktest.OpSync, &jute.PathRequest{Path: string(make([]byte, 1<<19))})
				}
				w.log.until("conn 1 a@0 cut")
				w.works(b)
			})
		})
	}
}

// TestQueuesCountOnlyWhatWaits passes more than the limit through queues that are never full.
func TestQueuesCountOnlyWhatWaits(t *testing.T) {
	inBubble(t, zktest.Config{}.WithMaxQueued(1<<20), func(w *world) {
		a := w.join("a")
		w.srv.Delay(zktest.AllConns(), time.Millisecond)
		w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request {
				return zktest.DelayBy(time.Millisecond)
			}
			return zktest.Pass
		})
		for range 6 {
			require.Zero(w, w.ask(a, zktest.OpSync, &jute.PathRequest{Path: string(make([]byte, 1<<19))}))
		}
	})
}

func TestRenewSessionsHandsOutAnotherSession(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		heal := w.srv.RenewSessions()
		b := w.resume(a, 0)
		require.Equal(w, a.id, b.id, "a session that lives is resumed")
		w.srv.ExpireSession(a.id)
		c := w.resume(a, 0)
		require.NotZero(w, c.id)
		require.NotEqual(w, a.id, c.id)
		heal()
		heal()
		require.Zero(w, w.resume(a, 0).id)
	})
}
