package zktest_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func TestInjectedFaultAnswersAsOftenAsItsRuleSays(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		f := w.srv.Inject(zktest.Rule{Op: zktest.OpCreate, Path: "/x", Conns: zktest.SessionConns(a.id), Times: 2}, zktest.AnswerWith(zktest.ErrThrottled))
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/y", "", 0)))
		require.Zero(w, w.ask(b, zktest.OpCreate, creating("/b", "", 0)))
		require.Equal(w, zktest.ErrThrottled, w.ask(a, zktest.OpCreate, creating("/x", "", 0)))
		require.Equal(w, 1, f.Fired())
		require.False(w, w.srv.Exists("/x"))
		require.Equal(w, zktest.ErrThrottled, w.ask(a, zktest.OpCreate, creating("/x", "", 0)))
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/x", "", 0)))
		require.Equal(w, 2, f.Fired())
	})
}

func TestInjectedFaultEndsWhenItIsRemoved(t *testing.T) {
	inBubble(t, zktest.Config{Nodes: map[string]string{"/d/x": ""}}, func(w *world) {
		a := w.join("a")
		f := w.srv.Inject(zktest.Rule{Path: "/d/"}, zktest.AnswerWith(zktest.ErrSystem))
		below := &jute.PathWatchRequest{Path: "/d/x"}
		for range 3 {
			require.Equal(w, zktest.ErrSystem, w.ask(a, zktest.OpExists, below))
		}
		require.Zero(w, w.ask(a, zktest.OpExists, &jute.PathWatchRequest{Path: "/d"}))
		f.Remove()
		f.Remove()
		require.Zero(w, w.ask(a, zktest.OpExists, below))
		require.Equal(w, 3, f.Fired())
	})
}

func TestInjectedFaultOfAReplyComesAfterTheCommit(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		f := w.srv.Inject(zktest.Rule{Stage: zktest.Reply, Op: zktest.OpCreate, Times: 1}, zktest.AnswerWith(zktest.ErrSystem))
		require.Equal(w, zktest.ErrSystem, w.ask(a, zktest.OpCreate, creating("/x", "", 0)))
		require.True(w, w.srv.Exists("/x"))
		require.Equal(w, 1, f.Fired())
		events := w.srv.Inject(zktest.Rule{Stage: zktest.Event, Path: "/x"}, zktest.Drop)
		require.Zero(w, w.ask(a, zktest.OpExists, &jute.PathWatchRequest{Path: "/x", Watch: true}))
		require.NoError(w, w.srv.Delete("/x"))
		w.silent(a, time.Second)
		require.Equal(w, 1, events.Fired())
	})
}

func TestConnectionsOfOneAddressAreLimited(t *testing.T) {
	inBubble(t, zktest.Config{Endpoints: 2}, func(w *world) {
		a := w.join("a")
		heal := w.srv.LimitConns(1)
		_, err := w.srv.Client("a").Dial(w.Context(), "tcp", w.srv.Addrs()[0])
		require.ErrorIs(w, err, syscall.ECONNREFUSED)
		w.works(w.join("b"))
		w.works(w.joinAt("a", 1, time.Minute))
		require.NoError(w, a.conn.Close())
		time.Sleep(time.Second)
		a = w.join("a")
		heal()
		w.works(w.join("a"))
		w.works(a)
	})
	onTCP(t, zktest.Config{}, func(w *world) {
		w.join("a")
		w.srv.LimitConns(1)
		w.ended(w.knock("b", 0))
	})
}

func TestServerHasTheAddressAndTheNodesThatItWasGiven(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	srv, err := zktest.Start(zktest.Config{Addrs: []string{addr}, Nodes: map[string]string{"/a/b/c": "data", "/a": "first"}})
	if err != nil {
		t.Skip("somebody else has taken the port:", err)
	}
	defer func() { require.NoError(t, srv.Close()) }()
	require.Equal(t, addr, srv.ConnectString())
	for path, want := range map[string]string{"/a": "first", "/a/b": "", "/a/b/c": "data"} {
		data, _, err := srv.Get(path)
		require.NoError(t, err)
		require.Equal(t, want, string(data))
	}
	_, err = zktest.StartMemory(zktest.Config{Nodes: map[string]string{"/a/": ""}})
	require.ErrorIs(t, err, zktest.ErrBadArguments)
}

func TestServerInMemoryHasTheAddressesThatItWasGiven(t *testing.T) {
	inBubble(t, zktest.Config{Addrs: []string{"10.1.2.3:2181", "10.1.2.4:99"}}, func(w *world) {
		require.Equal(w, "10.1.2.3:2181,10.1.2.4:99", w.srv.ConnectString())
		w.works(w.joinAt("a", 1, time.Minute))
	})
}
