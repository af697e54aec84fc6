package zktest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// silent keeps go-zookeeper quiet.
type silent struct{}

func (silent) Printf(string, ...any) {}

// connect opens a go-zookeeper connection and waits until it has a session.
func connect(t *testing.T, s *zktest.Server, name string, timeout time.Duration) *zk.Conn {
	t.Helper()
	ready := make(chan struct{})
	first := true
	c, _, err := zk.Connect(strings.Split(s.ConnectString(), ","), timeout, zk.WithDialer(s.Client(name).DialTimeout),
		zk.WithLogger(silent{}), zk.WithMaxConnBufferSize(64<<10), zk.WithMaxBufferSize(1<<20),
		zk.WithEventCallback(func(e zk.Event) {
			if e.State == zk.StateHasSession && first {
				first = false
				close(ready)
			}
		}))
	require.NoError(t, err)
	<-ready
	return c
}

var open = zk.WorldACL(zk.PermAll)

func useBasics(t *testing.T, s *zktest.Server) {
	a, b := connect(t, s, "a", 10*time.Second), connect(t, s, "b", 10*time.Second)
	defer a.Close()
	defer b.Close()

	path, err := a.Create("/x", []byte("1"), 0, open)
	require.NoError(t, err)
	require.Equal(t, "/x", path)
	_, err = a.Create("/x", nil, 0, open)
	require.ErrorIs(t, err, zk.ErrNodeExists)

	data, _, changed, err := b.GetW("/x")
	require.NoError(t, err)
	require.Equal(t, "1", string(data))
	_, _, children, err := b.ChildrenW("/x")
	require.NoError(t, err)

	_, err = a.Set("/x", []byte("2"), 0)
	require.NoError(t, err)
	require.Equal(t, zk.EventNodeDataChanged, (<-changed).Type)
	for _, want := range []string{"/x/s-0000000000", "/x/s-0000000001"} {
		path, err = a.Create("/x/s-", nil, zk.FlagEphemeral|zk.FlagSequence, open)
		require.NoError(t, err)
		require.Equal(t, want, path)
	}
	require.Equal(t, zk.EventNodeChildrenChanged, (<-children).Type)

	results, err := a.Multi(&zk.CreateRequest{Path: "/y", Acl: open}, &zk.DeleteRequest{Path: "/nope", Version: -1})
	require.ErrorIs(t, err, zk.ErrNoNode)
	require.Len(t, results, 2)
	require.False(t, s.Exists("/y"))
	_, err = a.Multi(&zk.CreateRequest{Path: "/y", Acl: open}, &zk.SetDataRequest{Path: "/y", Version: 0})
	require.NoError(t, err)

	kids, stat, err := b.Children("/x")
	require.NoError(t, err)
	require.Len(t, kids, 2)
	require.EqualValues(t, 2, stat.Cversion)
	a.Close()
	kids, _, err = b.Children("/x")
	require.NoError(t, err)
	require.Empty(t, kids)
}

// TestGoZookeeperLosesItsSession lets a partition outlast a session of 30 seconds, which takes no time in a bubble.
func TestGoZookeeperLosesItsSession(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		states := make(chan zk.State, 100)
		c, _, err := zk.Connect(w.srv.Addrs(), 30*time.Second, zk.WithDialer(w.srv.Client("a").DialTimeout), zk.WithLogger(silent{}),
			zk.WithEventCallback(func(e zk.Event) { states <- e.State }))
		require.NoError(w, err)
		defer func() { c.Close(); time.Sleep(5 * time.Second) }()
		until := func(want zk.State) {
			for state := range states {
				if state == want {
					return
				}
			}
		}
		until(zk.StateHasSession)
		first := c.SessionID()
		_, err = c.Create("/e", nil, zk.FlagEphemeral, open)
		require.NoError(w, err)
		cut := time.Now()
		heal := w.srv.Blackhole(zktest.ClientConns("a"), zktest.Both)
		until(zk.StateDisconnected)
		require.True(w, w.srv.Exists("/e"))
		time.Sleep(time.Until(cut.Add(30*time.Second + 100*time.Millisecond)))
		require.False(w, w.srv.Exists("/e"), "the server has ended the session, and the client does not know")
		require.Equal(w, first, c.SessionID())
		heal()
		until(zk.StateExpired)
		until(zk.StateHasSession)
		require.NotEqual(w, first, c.SessionID())
	})
}

func TestBasicsTCP(t *testing.T) {
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	defer s.Close()
	useBasics(t, s)
}

func TestBasicsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		defer func() { s.Close(); time.Sleep(5 * time.Second) }()
		useBasics(t, s)
	})
}
