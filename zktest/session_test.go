package zktest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// TestExpiryIsExact: a silent session dies at the first multiple of the tick after its timeout.
func TestExpiryIsExact(t *testing.T) {
	const tick = 100 * time.Millisecond
	for _, timeout := range []time.Duration{200 * time.Millisecond, time.Second, 1050 * time.Millisecond, 30 * time.Second} {
		inBubble(t, zktest.Config{TickTime: tick}, func(w *world) {
			start := time.Now()
			time.Sleep(123 * time.Microsecond)
			a := w.joinAt("a", 0, timeout)
			require.Zero(w, w.ask(a, zktest.OpCreate, creating("/e", "", 1)))
			seen := time.Now()
			time.Sleep(timeout - time.Millisecond)
			require.True(w, w.srv.Exists("/e"), "never before its timeout")
			w.ended(a)
			died := time.Since(start).Truncate(tick) // without the time that the end takes to reach the client
			want := (seen.Sub(start)+timeout)/tick*tick + tick
			require.Equal(w, want, died)
			require.False(w, w.srv.Exists("/e"))
			require.Empty(w, w.srv.Sessions())
		})
	}
}

func TestPingsKeepASession(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.joinAt("a", 0, time.Second)
		for range 100 {
			time.Sleep(900 * time.Millisecond)
			require.Zero(w, w.ask(a, zktest.OpGetData, root))
		}
		for range 100 {
			time.Sleep(900 * time.Millisecond)
			a.send(frame(&jute.RequestHeader{Xid: -2, Op: int32(zktest.OpPing)}))
			h, _, err := a.answer()
			require.NoError(w, err)
			require.EqualValues(w, -2, h.Xid)
		}
		require.Len(w, w.srv.Sessions(), 1)
		time.Sleep(1100 * time.Millisecond)
		require.Empty(w, w.srv.Sessions())
	})
}

func TestSessionOutlivesItsConnectionForItsTimeout(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.joinAt("a", 0, 10*time.Second)
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/e", "", 1)))
		require.NoError(w, a.conn.Close())
		time.Sleep(9900 * time.Millisecond)
		require.False(w, w.srv.Sessions()[0].Connected)
		a = w.resume(a, 0)
		require.NotZero(w, a.id)
		info := w.srv.Sessions()[0]
		require.True(w, info.Connected)
		require.Equal(w, 30*time.Second, info.Timeout, "the timeout is negotiated anew")
		require.Equal(w, []string{"/e"}, info.Ephemerals)
		require.Equal(w, "a", info.Conn.Client)
		time.Sleep(29 * time.Second)
		w.works(a)
		time.Sleep(30*time.Second + 200*time.Millisecond)
		require.Empty(w, w.srv.Sessions())
	})
}

func TestExpiryAtOneInstantGoesByAge(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		watcher := w.join("watcher")
		require.Zero(w, w.ask(watcher, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/", Value: 1}))
		var want []string
		for i := range 20 {
			path := "/" + string(rune('a'+i))
			c := w.joinAt("c", 0, time.Second)
			require.Zero(w, w.ask(c, zktest.OpCreate, creating(path, "", 1)))
			w.event(watcher, "Created "+path)
			want = append(want, "Deleted "+path)
		}
		for _, event := range want {
			w.event(watcher, event)
		}
		require.Equal(w, 20, int(w.srv.Zxid())-41, "each end is a transaction of its own")
	})
}

func TestPauseFreezesEverything(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a, b := w.joinAt("a", 0, time.Second), w.joinAt("b", 1, 10*time.Second)
		w.srv.Pause()
		a.post(zktest.OpCreate, creating("/a", "", 0))
		b.post(zktest.OpCreate, creating("/b", "", 0))
		late := w.knock("late", 0)
		late.send(frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)}))
		w.silent(b, 5*time.Second)
		require.Len(w, w.srv.Sessions(), 2, "no session expires meanwhile")
		require.False(w, w.srv.Exists("/b"))
		w.srv.Resume()
		w.ended(a)
		h, _, err := b.answer()
		require.NoError(w, err)
		require.Zero(w, h.Err)
		require.False(w, w.srv.Exists("/a"), "its session was over before the server read it")
		_, _, err = late.answer()
		require.NoError(w, err)
	})
}

func TestPauseOfOneEndpointSparesTheOthers(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a, b := w.joinAt("a", 0, time.Second), w.joinAt("b", 1, time.Minute)
		require.Zero(w, w.ask(b, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/", Value: 1}))
		w.srv.Pause(1)
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/a", "", 1)))
		w.silent(b, 2*time.Second)
		require.False(w, w.srv.Exists("/a"), "time goes on")
		w.srv.Resume(1)
		w.event(b, "Created /a")
		w.event(b, "Deleted /a")
		w.works(b)
	})
}

func TestCutReachesClientsOfAPausedEndpoint(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		w.srv.Pause()
		w.srv.Cut(zktest.AllConns())
		w.ended(a)
		w.srv.Resume()
		w.works(w.resume(a, 0))
	})
}

func TestSessionIDsAndPasswords(t *testing.T) {
	inBubble(t, zktest.Config{Seed: 1}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		require.EqualValues(w, 1, a.id>>56, "the server's number")
		require.Equal(w, a.id+1, b.id)
		require.Len(w, a.passwd, 16)
		require.NotEqual(w, a.passwd, b.passwd)
		require.NoError(w, w.srv.Restart(zktest.KeepState))
		a2 := w.resume(a, 0)
		require.Equal(w, a.passwd, a2.passwd, "a password survives a restart")
		require.NoError(w, w.srv.Restart(zktest.WipeState))
		require.Greater(w, w.join("c").id, b.id, "an id is never used again")
	})
	var passwords [2][]byte
	for seed := range passwords {
		inBubble(t, zktest.Config{Seed: uint64(seed)}, func(w *world) { passwords[seed] = w.join("a").passwd })
	}
	require.NotEqual(t, passwords[0], passwords[1])
}
