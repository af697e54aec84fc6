package framework_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// kinds are the ways to watch.
var kinds = map[string]func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error){
	"data": func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error) {
		_, w, err := cli.WatchData(ctx, path)
		return w, err
	},
	"exists": func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error) {
		_, _, w, err := cli.WatchExists(ctx, path)
		return w, err
	},
	"children": func(ctx context.Context, cli *framework.Client, path string) (*framework.Watch, error) {
		_, _, w, err := cli.WatchChildren(ctx, path)
		return w, err
	},
}

// changes are what can happen to /node.
var changes = map[string]func(s *zktest.Server){
	"set":            func(s *zktest.Server) { _ = s.Set("/node", nil) },
	"delete":         func(s *zktest.Server) { _ = s.Delete("/node") },
	"new child":      func(s *zktest.Server) { _, _ = s.Create("/node/child", nil, zktest.Persistent) },
	"delete, create": func(s *zktest.Server) { deleteAndCreate(s) },
	"something else": func(s *zktest.Server) { _ = s.Set("/other", nil) },
	"create":         func(s *zktest.Server) { _, _ = s.Create("/missing", nil, zktest.Persistent) },
	"set it twice":   func(s *zktest.Server) { _ = s.Set("/node", nil); _ = s.Set("/node", nil) },
	"create, set": func(s *zktest.Server) {
		_, _ = s.Create("/missing", nil, zktest.Persistent)
		_ = s.Set("/missing", nil)
	},
	"child of other":  func(s *zktest.Server) { _, _ = s.Create("/other/child", nil, zktest.Persistent) },
	"create, delete.": func(s *zktest.Server) { _, _ = s.Create("/missing", nil, zktest.Persistent); _ = s.Delete("/missing") },
}

// sight is what a watch of a kind, on /node or on a node that is missing, sees of a change: live, and when it happened while
// the client was away. 0 is nothing.
type sight struct{ kind, change string }

var seen = map[sight][2]framework.EventType{
	{"data", "set"}:                {framework.EventDataChanged, framework.EventDataChanged},
	{"data", "set it twice"}:       {framework.EventDataChanged, framework.EventDataChanged},
	{"data", "delete"}:             {framework.EventDeleted, framework.EventDeleted},
	{"data", "delete, create"}:     {framework.EventDeleted, framework.EventDataChanged},
	{"data", "new child"}:          {},
	{"data", "something else"}:     {},
	{"exists", "set"}:              {framework.EventDataChanged, framework.EventDataChanged},
	{"exists", "delete"}:           {framework.EventDeleted, framework.EventDeleted},
	{"exists", "delete, create"}:   {framework.EventDeleted, framework.EventDataChanged},
	{"exists", "new child"}:        {},
	{"missing", "create"}:          {framework.EventCreated, framework.EventCreated},
	{"missing", "create, set"}:     {framework.EventCreated, framework.EventCreated},
	{"missing", "create, delete."}: {framework.EventCreated, 0},
	{"missing", "something else"}:  {},
	{"children", "new child"}:      {framework.EventChildrenChanged, framework.EventChildrenChanged},
	{"children", "delete"}:         {framework.EventDeleted, framework.EventDeleted},
	{"children", "delete, create"}: {framework.EventDeleted, framework.EventChildrenChanged},
	{"children", "set"}:            {},
	{"children", "child of other"}: {},
}

func (si sight) watch(t *testing.T, cli *framework.Client) (*framework.Watch, string) {
	t.Helper()
	kind, path := si.kind, "/node"
	if kind == "missing" {
		kind, path = "exists", "/missing"
	}
	w, err := kinds[kind](t.Context(), cli, path)
	require.NoError(t, err)
	return w, path
}

// requireEvent waits, in a bubble, for the event of a watch, or for none, and that its channel is then closed.
func requireEvent(t *testing.T, w *framework.Watch, path string, want framework.EventType) {
	t.Helper()
	time.Sleep(100 * time.Millisecond)
	if want == 0 {
		requireNone(t, w)
		return
	}
	select {
	case ev := <-w.C:
		assert.Equal(t, framework.Event{Type: want, Path: path}, ev)
	default:
		require.Fail(t, "no event")
	}
	_, open := <-w.C
	assert.False(t, open, "closed behind the one event")
}

func requireNone(t *testing.T, w *framework.Watch) {
	t.Helper()
	synctest.Wait()
	select {
	case ev, open := <-w.C:
		require.Fail(t, "an event", "%v %v", ev, open)
	default:
	}
}

func TestWatchesFire(t *testing.T) {
	for si, want := range seen {
		t.Run(fmt.Sprintf("%s, %s", si.kind, si.change), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "")
				mustCreate(t, s, "/other", "")
				cli := connected(t, s)
				w, path := si.watch(t, cli)
				changes[si.change](s)
				requireEvent(t, w, path, want[0])
				assert.EqualValues(t, 1, s.Counts().Watches)
			})
		})
	}
}

// In a bubble, a watch lives on over a reconnect. What has happened meanwhile is told, and nothing else; then it works as before.
func TestWatchesSurviveAReconnect(t *testing.T) {
	for si, want := range seen {
		t.Run(fmt.Sprintf("%s, %s", si.kind, si.change), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "")
				mustCreate(t, s, "/other", "")
				cli := connected(t, s)
				w, path := si.watch(t, cli)
				time.Sleep(5 * time.Second)
				for range 3 {
					reconnect(t, s, cli, nothing)
					requireEvent(t, w, path, 0)
				}
				reconnect(t, s, cli, func() { changes[si.change](s) })
				requireEvent(t, w, path, want[1])
			})
		})
	}
}

// reconnect takes the servers away for a second of a bubble, in which f happens.
func reconnect(t *testing.T, s *zktest.Server, cli *framework.Client, f func()) {
	t.Helper()
	s.Refuse()
	s.Cut(zktest.AllConns())
	awaitState(t, cli, framework.Suspended)
	time.Sleep(500 * time.Millisecond)
	f()
	time.Sleep(500 * time.Millisecond)
	require.NoError(t, s.Accept())
	awaitState(t, cli, framework.Reconnected)
	time.Sleep(time.Second)
}

func TestWatchOnANodeThatIsMissing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for _, kind := range []string{"data", "children"} {
			w, err := kinds[kind](t.Context(), cli, "/none")
			require.ErrorIs(t, err, framework.ErrNoNode)
			assert.Nil(t, w)
		}
		assert.Zero(t, s.Counts().Watches, "none is left behind")
	})
}

// All watches of one kind on one path are one watch at the server.
func TestWatchesAreShared(t *testing.T) {
	for kind, watch := range kinds {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/app/ns/node", "")
				cli := connected(t, s)
				ns, err := cli.Namespace("app/ns")
				require.NoError(t, err)
				var watches []*framework.Watch
				for range 50 {
					for c, path := range map[*framework.Client]string{cli: "/app/ns/node", ns: "node"} {
						w, err := watch(t.Context(), c, path)
						require.NoError(t, err)
						watches = append(watches, w)
					}
				}
				assert.EqualValues(t, 1, s.Counts().Watches)
				require.NoError(t, s.Delete("/app/ns/node"))
				paths := map[string]int{}
				for _, w := range watches {
					ev := <-w.C
					assert.Equal(t, framework.EventDeleted, ev.Type)
					paths[ev.Path]++
				}
				assert.Equal(t, map[string]int{"/app/ns/node": 50, "/node": 50}, paths, "each as its namespace says")
				assert.EqualValues(t, 1, s.Counts().Events)
			})
		})
	}
}

func TestStoppedWatchIsSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		_, stopped, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		_, other, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		stopped.Stop()
		stopped.Stop()
		require.NoError(t, s.Set("/node", nil))
		requireEvent(t, other, "/node", framework.EventDataChanged)
		requireNone(t, stopped)
		other.Stop() // after it has fired
		require.NoError(t, cli.Close())
		requireNone(t, stopped)
	})
}

// Ten thousand watches on one path, each stopped: one watch at the server, the one that the next user gets.
func TestWatchAndStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		for range 2000 {
			_, w, err := cli.WatchData(t.Context(), "/node")
			require.NoError(t, err)
			w.Stop()
		}
		assert.EqualValues(t, 1, s.Counts().Watches)
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		require.NoError(t, s.Set("/node", nil))
		requireEvent(t, w, "/node", framework.EventDataChanged)
	})
}

func TestWatchesEndWithTheirSession(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(t *testing.T, s *zktest.Server, cli *framework.Client)
		want error
	}{
		"lost":    {events["lost"], framework.ErrSessionLost},
		"expired": {events["expired"], framework.ErrSessionLost},
		"closed":  {func(_ *testing.T, _ *zktest.Server, cli *framework.Client) { _ = cli.Close() }, framework.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "")
				cli := connected(t, s)
				var watches []*framework.Watch
				for _, watch := range kinds {
					w, err := watch(t.Context(), cli, "/node")
					require.NoError(t, err)
					watches = append(watches, w)
				}
				_, forgotten, err := cli.WatchData(t.Context(), "/node")
				require.NoError(t, err)
				forgotten.Stop()
				c.end(t, s, cli)
				for _, w := range watches {
					ev := <-w.C
					assert.Equal(t, framework.EventSessionOver, ev.Type)
					assert.Equal(t, "/node", ev.Path)
					require.ErrorIs(t, ev.Err, c.want)
					_, open := <-w.C
					assert.False(t, open)
				}
				requireNone(t, forgotten)
			})
		})
	}
}

// The answer that sets the watch is lost: the read is repeated, and the watch works.
func TestWatchWithALostReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := connected(t, s)
		onceOn(t, s, zktest.Reply, zktest.OpGetData, zktest.Cut, nothing)
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		require.NoError(t, s.Set("/node", nil))
		requireEvent(t, w, "/node", framework.EventDataChanged)
	})
}

// More paths are watched than fit one setWatches: all of them are set again after a reconnect.
func TestManyWatchesSurviveAReconnect(t *testing.T) {
	const watches, length = 1000, 300
	for name, at := range map[string]string{"changed while away": "away", "changed afterwards": "after"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				paths := make([]string, watches)
				for i := range paths {
					paths[i] = fmt.Sprintf("/%s-%d", strings.Repeat("x", length), i)
					mustCreate(t, s, paths[i], "")
				}
				set := func() {
					for _, p := range paths {
						require.NoError(t, s.Set(p, nil))
					}
				}
				cli := connected(t, s)
				var mu sync.Mutex
				var all []*framework.Watch
				var wg sync.WaitGroup
				for _, p := range paths { // all at once
					wg.Go(func() {
						_, w, err := cli.WatchData(context.Background(), p)
						assert.NoError(t, err)
						mu.Lock()
						defer mu.Unlock()
						all = append(all, w)
					})
				}
				wg.Wait()
				if at == "away" {
					reconnect(t, s, cli, set)
				} else {
					reconnect(t, s, cli, nothing)
					set()
				}
				time.Sleep(time.Second)
				for _, w := range all {
					require.Len(t, w.C, 1)
				}
				assert.GreaterOrEqual(t, s.Counts().Requests[zktest.OpSetWatches], int64(3))
			})
		})
	}
}

func TestEventNames(t *testing.T) {
	for name, e := range map[string]framework.EventType{
		"Created": framework.EventCreated, "Deleted": framework.EventDeleted, "DataChanged": framework.EventDataChanged,
		"ChildrenChanged": framework.EventChildrenChanged, "SessionOver": framework.EventSessionOver, "EventType(?)": 0,
	} {
		assert.Equal(t, name, e.String())
	}
}
