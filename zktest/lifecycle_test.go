package zktest_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// refused expects that an endpoint refuses connections.
func (w *world) refused(endpoint int) {
	w.Helper()
	_, err := w.srv.Dial(w.Context(), "tcp", w.srv.Addrs()[endpoint])
	require.ErrorIs(w, err, syscall.ECONNREFUSED)
}

func TestRefuseTurnsAwayNewConnectionsOnly(t *testing.T) {
	onBoth(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a := w.join("a")
		w.srv.Refuse(0)
		w.refused(0)
		w.works(a)
		w.works(w.joinAt("b", 1, time.Minute))
		require.NoError(w, w.srv.Accept(0))
		w.works(w.join("c"))
		w.srv.Refuse()
		w.refused(0)
		w.refused(1)
		require.NoError(w, w.srv.Accept())
		w.works(w.join("d"))
	})
}

func TestStopEndsOneEndpoint(t *testing.T) {
	onBoth(t, zktest.Config{Endpoints: 3}, func(w *world) {
		a, b := w.join("a"), w.joinAt("b", 1, time.Minute)
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/e", "", 1)))
		w.srv.Stop(0)
		w.ended(a)
		w.refused(0)
		w.works(b)
		a = w.resume(a, 2)
		w.works(a)
		require.True(w, w.srv.Exists("/e"))
		w.srv.Stop(0, 2)
		w.ended(a)
		require.NoError(w, w.srv.StartEndpoint(0))
		w.works(w.resume(a, 0))
		w.refused(2)
	})
}

func TestStoppedAndRefusingEndpointsNeedBothToBeTakenBack(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		w.srv.Refuse()
		w.srv.Stop()
		require.NoError(w, w.srv.StartEndpoint())
		w.refused(0)
		require.NoError(w, w.srv.Accept())
		w.works(w.join("a"))
	})
}

func TestTimersStartAgainWithTheServer(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a := w.joinAt("a", 0, 10*time.Second)
		time.Sleep(9 * time.Second)
		w.srv.Stop(1)
		w.srv.Stop(0)
		time.Sleep(time.Hour)
		require.Len(w, w.srv.Sessions(), 1, "nobody is there to end it")
		require.NoError(w, w.srv.StartEndpoint(1))
		time.Sleep(9900 * time.Millisecond)
		require.Len(w, w.srv.Sessions(), 1)
		a = w.resume(a, 1)
		w.works(a)
		w.srv.Stop(1)
		require.NoError(w, w.srv.StartEndpoint(0))
		time.Sleep(40 * time.Second)
		require.Empty(w, w.srv.Sessions())
	})
}

func TestStopOfOneEndpointDoesNotStopTime(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 2}, func(w *world) {
		w.joinAt("a", 0, time.Second)
		time.Sleep(600 * time.Millisecond)
		w.srv.Stop(0)
		require.NoError(w, w.srv.StartEndpoint(0))
		time.Sleep(600 * time.Millisecond)
		require.Empty(w, w.srv.Sessions())
	})
}

func TestAStoppedProcessIsNoLongerPaused(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		w.srv.Pause()
		w.srv.Stop()
		w.ended(a)
		require.NoError(w, w.srv.StartEndpoint())
		w.works(w.resume(a, 0))
	})
}

func TestWatchesDieWithTheirConnection(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpGetData, &jute.PathWatchRequest{Path: "/", Watch: true}))
		require.Zero(w, w.ask(a, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/x", Value: 1}))
		w.srv.Cut(zktest.AllConns())
		w.ended(a)
		a = w.resume(a, 0)
		require.Contains(w, w.word("wchs"), "0 connections watching 0 paths\nTotal watches:0")
		before := w.srv.Counts()
		require.NoError(w, w.srv.Set("/", nil))
		_, err := w.srv.Create("/x", nil, zktest.Persistent)
		require.NoError(w, err)
		w.works(a)
		require.Zero(w, w.srv.Counts().Sub(before).Events)
	})
}

func TestRestartKeepingState(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/p", "data", 0)))
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/p/e", "", 3)))
		require.Zero(w, w.ask(a, zktest.OpExists, &jute.PathWatchRequest{Path: "/p", Watch: true}))
		before, zxid := w.srv.Dump(), w.srv.Zxid()
		require.NoError(w, w.srv.Restart(zktest.KeepState))
		w.ended(a)
		require.Equal(w, before, w.srv.Dump())
		require.Equal(w, zxid, w.srv.Zxid())
		a = w.resume(a, 0)
		require.NotZero(w, a.id)
		require.Zero(w, w.ask(a, zktest.OpSetData, setting("/p", "x", 0))) // and no event: the watch is gone
	})
}

func TestRestartWipingState(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/p", "data", 0)))
		seen := w.srv.Zxid()
		require.NoError(w, w.srv.Restart(zktest.WipeState))
		w.ended(a)
		require.Len(w, w.srv.Dump(), 1)
		require.Zero(w, w.srv.Zxid())
		require.Empty(w, w.srv.Sessions())
		require.Zero(w, w.resume(a, 0).id)

		ahead := w.knock("a", 0)
		ahead.send(frame(&jute.ConnectRequest{TimeOut: 1000, LastZxidSeen: seen, Passwd: make([]byte, 16)}))
		w.ended(ahead)
		for range seen {
			w.join("b")
		}
		caughtUp := w.knock("a", 0)
		caughtUp.shake(&jute.ConnectRequest{TimeOut: 1000, LastZxidSeen: seen, Passwd: make([]byte, 16)})
		require.NotZero(w, caughtUp.id)
	})
}

func TestAnEndpointThatDoesNotExistPanics(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 2}, func(w *world) {
		require.Panics(w, func() { w.srv.Stop(2) })
		w.works(w.join("a"))
	})
}

func TestCloseEndsEverythingInAnyState(t *testing.T) {
	for name, trouble := range map[string]func(*world, *raw){
		"idle":    func(*world, *raw) {},
		"paused":  func(w *world, a *raw) { w.srv.Pause(); a.post(zktest.OpGetData, root) },
		"stopped": func(w *world, a *raw) { w.srv.Stop() },
		"black hole": func(w *world, a *raw) {
			w.srv.Blackhole(zktest.AllConns(), zktest.Both)
			a.post(zktest.OpGetData, root)
		},
		"delayed": func(w *world, a *raw) { w.srv.Delay(zktest.AllConns(), time.Hour); a.post(zktest.OpGetData, root) },
		"hooked": func(w *world, a *raw) {
			w.srv.OnFrame(func(zktest.Frame) zktest.Verdict { return zktest.DelayBy(time.Hour) })
			a.post(zktest.OpGetData, root)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, zktest.Config{}, func(w *world) {
				a := w.join("a")
				trouble(w, a)
				require.NoError(w, w.srv.Close())
				w.ended(a)
				require.NoError(w, w.srv.Close())
				w.srv.Cut(zktest.AllConns())
				w.srv.Stop()
				require.NoError(w, w.srv.Set("/", []byte("still there")))
				_, _, err := w.srv.Get("/")
				require.NoError(w, err)
			})
		})
	}
}
