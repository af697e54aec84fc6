package zktest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func TestConfigMistakesAreReportedTogether(t *testing.T) {
	for _, start := range []func(zktest.Config) (*zktest.Server, error){zktest.Start, zktest.StartMemory} {
		_, err := start(zktest.Config{
			TickTime: time.Microsecond, MinSessionTimeout: 2 * time.Second, MaxSessionTimeout: time.Second, Endpoints: 251,
			MaxRequestSize: 63, ContainerCheckInterval: time.Microsecond, Latency: -1, Watches: 3,
		})
		require.Error(t, err)
		lines := strings.Split(err.Error(), "\n")
		require.Len(t, lines, 7)
		for i, field := range []string{"TickTime", "MaxSessionTimeout", "Endpoints", "MaxRequestSize", "ContainerCheckInterval", "Watches", "Latency"} {
			require.True(t, strings.HasPrefix(lines[i], "zktest: "+field+" "), lines[i])
		}
	}
	_, err := zktest.Start(zktest.Config{MinSessionTimeout: time.Microsecond})
	require.EqualError(t, err, "zktest: MinSessionTimeout is 1µs; it must be at least 1ms")
	_, err = zktest.Start(zktest.Config{Endpoints: -1})
	require.Error(t, err)
}

// granted returns the timeout that a client is granted.
func (w *world) granted(asked time.Duration) time.Duration {
	w.Helper()
	r := w.joinAt("c", 0, asked)
	for _, info := range w.srv.Sessions() {
		if info.ID == r.id {
			return info.Timeout
		}
	}
	w.Fatal("the session is not there")
	return 0
}

func TestConfigOfTimeouts(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		require.Equal(w, 200*time.Millisecond, w.granted(0))
		require.Equal(w, 30*time.Second, w.granted(30*time.Second))
		require.Equal(w, time.Hour, w.granted(2*time.Hour))
	})
	inBubble(t, zktest.Config{TickTime: time.Second}, func(w *world) {
		require.Equal(w, 2*time.Second, w.granted(0))
	})
	inBubble(t, zktest.Config{MinSessionTimeout: time.Second, MaxSessionTimeout: 4 * time.Second}, func(w *world) {
		require.Equal(w, time.Second, w.granted(time.Millisecond))
		require.Equal(w, 4*time.Second, w.granted(40*time.Second))
	})
	inBubble(t, zktest.Config{MinSessionTimeout: 2 * time.Hour}, func(w *world) {
		require.Equal(w, 2*time.Hour, w.granted(0))
	})
}

func TestConfigOfMaxRequestSize(t *testing.T) {
	onBoth(t, zktest.Config{MaxRequestSize: 1000}, func(w *world) {
		a := w.join("a")
		overhead := len(frame(&jute.RequestHeader{}, setting("/", "", -1))) - 4
		require.Zero(w, w.ask(a, zktest.OpSetData, setting("/", strings.Repeat("x", 1000-overhead), -1)))
		a.post(zktest.OpSetData, setting("/", strings.Repeat("x", 1001-overhead), -1))
		w.ended(a)
	})
}

func TestConfigOfEndpoints(t *testing.T) {
	onBoth(t, zktest.Config{Endpoints: 5}, func(w *world) {
		require.Len(w, w.srv.Addrs(), 5)
		require.Equal(w, strings.Join(w.srv.Addrs(), ","), w.srv.ConnectString())
		first := w.joinAt("a", 0, time.Minute)
		require.Zero(w, w.ask(first, zktest.OpCreate, creating("/x", "", 0)))
		for i := range 5 {
			require.Zero(w, w.ask(w.joinAt("a", i, time.Minute), zktest.OpExists, &jute.PathWatchRequest{Path: "/x"}))
			require.Equal(w, i, w.srv.Conns()[i+1].Endpoint)
		}
	})
}

func TestConfigOfSuperDigest(t *testing.T) {
	inBubble(t, zktest.Config{SuperDigest: superDigest}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate, &jute.CreateRequest{Path: "/x", ACL: []jute.ACL{acl(31, "digest", "x:y")}}))
		require.Equal(w, zktest.ErrNoAuth, w.ask(a, zktest.OpGetData, &jute.PathWatchRequest{Path: "/x"}))
		a.auth("digest", "super:secret")
		require.Zero(w, w.ask(a, zktest.OpGetData, &jute.PathWatchRequest{Path: "/x"}))
	})
}

func TestTraceContainsEveryEvent(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/x"}))
		require.NoError(w, w.srv.Set("/", nil))
		_, err := w.srv.Create("/x", nil, zktest.Persistent)
		require.NoError(w, err)
		w.event(a, "Created /x")
		w.srv.Cut(zktest.AllConns())
		w.srv.ExpireSession(a.id)
		lines := strings.Split(w.log.text(), "\n")
		for i, want := range []string{"conn 1 a@0 opened from 10.", "conn 1 a@0: session 0x1", "conn 1 a@0: reply connect",
			"conn 1 a@0: request addWatch /x xid=1", "conn 1 a@0: reply addWatch /x xid=1 zxid=0x1", "conn 1 a@0: event Created /x",
			"conn 1 a@0 cut", "session 0x1"} {
			require.Contains(w, lines[i], want)
			require.Regexp(w, `^ +\d+\.\d{9} `, lines[i])
		}
		require.Len(w, lines, 8)
	})
}

// A test learns from the log what became of each node, and who did it.
func TestLogNamesWhoChangedANode(t *testing.T) {
	var log []zktest.Change
	inBubble(t, zktest.Config{Log: func(c zktest.Change) { log = append(log, c) }}, func(w *world) {
		a := w.join("a")
		require.Zero(w, w.ask(a, zktest.OpCreate2, &jute.CreateRequest{Path: "/e", Data: []byte("x"), ACL: anyone, Flags: int32(zktest.Ephemeral)}))
		require.NoError(w, w.srv.Set("/e", []byte("y")))
		require.Equal(w, zktest.ErrNodeExists, w.ask(a, zktest.OpCreate2, &jute.CreateRequest{Path: "/e", ACL: anyone}), "nothing changes")
		require.True(w, w.srv.ExpireSession(a.id))
		require.Equal(w, []zktest.Change{
			{Zxid: 2, Event: zktest.EventCreated, Path: "/e", Data: []byte("x"), Czxid: 2, Owner: a.id, Session: a.id},
			{Zxid: 3, Event: zktest.EventDataChanged, Path: "/e", Data: []byte("y"), Czxid: 2, Owner: a.id},
			{Zxid: 5, Event: zktest.EventDeleted, Path: "/e", Data: []byte("y"), Czxid: 2, Owner: a.id, Session: a.id, Ending: true},
		}, log)
	})
}
