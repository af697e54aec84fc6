package framework_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// answering has the server answer the next n requests of a kind with an error, and not process them; all of them if n is
// negative. It counts them.
func answering(t *testing.T, s *zktest.Server, op zktest.Op, code zktest.ErrCode, n int) (answered *int) {
	t.Helper()
	answered = new(int)
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != zktest.Request || f.Op != op || *answered == n {
			return zktest.Pass
		}
		*answered++
		return zktest.AnswerWith(code)
	}))
	return answered
}

// setOne sets a watch of each kind on a node of its own, of which one does not exist.
func setOne(t *testing.T, s *zktest.Server, cli *framework.Client) map[string]*framework.Watch {
	t.Helper()
	all := make(map[string]*framework.Watch)
	for kind, set := range watchers {
		mustCreate(t, s, "/"+kind, "old")
		w, err := set(t.Context(), cli, "/"+kind)
		require.NoError(t, err)
		all["/"+kind] = w
	}
	_, _, w, err := cli.WatchExists(t.Context(), "/absent")
	require.NoError(t, err)
	all["/absent"] = w
	return all
}

// touch makes each of the changes that the watches of setOne are for.
func touch(t *testing.T, s *zktest.Server) {
	t.Helper()
	require.NoError(t, s.Set("/data", []byte("new")))
	require.NoError(t, s.Set("/exists", []byte("new")))
	mustCreate(t, s, "/children/child", "")
	mustCreate(t, s, "/absent", "")
}

// Whatever a server answers when watches are to be set again after a break, no change is missed, whether it comes while the
// connection is away or when it is back.
func TestWatchesAlthoughSettingThemAgainIsRefused(t *testing.T) {
	for _, code := range []zktest.ErrCode{-127, -6, -5, -7, 42} {
		for when, during := range map[string]bool{"while away": true, "afterwards": false} {
			for often, n := range map[string]int{"once": 1, "always": -1} {
				t.Run(fmt.Sprint(code, " ", often, ", changed ", when), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						s := startServer(t, zktest.Config{})
						cli := connected(t, s)
						watches := setOne(t, s, cli)
						refused := answering(t, s, zktest.OpSetWatches, code, n)
						s.Cut(zktest.AllConns())
						if during {
							touch(t, s)
						}
						awaitState(t, cli, framework.Reconnected)
						time.Sleep(sessionTimeout)
						require.Equal(t, framework.Reconnected, cli.State().State)
						if !during {
							touch(t, s)
						}
						for path, w := range watches {
							ev := awaitEvent(t, w, time.Second)
							assert.NoError(t, ev.Err, path)
						}
						assert.Equal(t, 1, *refused)
					})
				})
			}
		}
	}
}

// A server that always refuses breaks the connection once, and from then on reconnects cost what they should.
func TestServerThatNeverSetsWatchesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		refused := answering(t, s, zktest.OpSetWatches, -127, -1)
		seen := record(t, cli)
		const breaks = 5
		for i := range breaks {
			path := fmt.Sprintf("/node%d", i)
			mustCreate(t, s, path, "old")
			_, w, err := cli.WatchData(t.Context(), path)
			require.NoError(t, err)
			s.Cut(zktest.AllConns())
			awaitState(t, cli, framework.Suspended)
			awaitState(t, cli, framework.Reconnected)
			time.Sleep(sessionTimeout)
			require.NoError(t, s.Set(path, []byte("new")))
			assert.Equal(t, framework.EventDataChanged, awaitEvent(t, w, time.Second).Type)
		}
		assert.Equal(t, 1, *refused)
		assert.Equal(t, breaks+1, seen.count(framework.Suspended))
	})
}

// A busy server refuses setWatches once. Watches are not set one by one for the rest of the session because of that.
func TestSetWatchesIsUsedAgainAfterARefusal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		setOne(t, s, cli)
		answering(t, s, zktest.OpSetWatches, -127, 1)
		var together atomic.Int32
		t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpSetWatches {
				together.Add(1)
			}
			return zktest.Pass
		}))
		reconnect := func() {
			s.Cut(zktest.AllConns())
			time.Sleep(sessionTimeout)
			require.Equal(t, framework.Reconnected, cli.State().State)
		}
		reconnect()
		time.Sleep(30 * time.Minute)
		reconnect()
		assert.Zero(t, together.Load())
		time.Sleep(30 * time.Minute)
		reconnect()
		assert.EqualValues(t, 1, together.Load())
	})
}

// A server that closes the connection over setWatches breaks it a few times.
func TestServerThatClosesTheConnectionOverSetWatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		watches := setOne(t, s, cli)
		closed := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage != zktest.Request || f.Op != zktest.OpSetWatches {
				return zktest.Pass
			}
			closed++
			return zktest.Cut
		})()
		s.Cut(zktest.AllConns())
		touch(t, s)
		for path, w := range watches {
			ev := awaitEvent(t, w, 3*sessionTimeout)
			assert.NoError(t, ev.Err, path)
		}
		assert.Equal(t, 2, closed)
	})
}

// A recursive watch that is refused when it is to be set again says so, or is set later: a change is told in any case.
func TestTreeWatchAlthoughSettingItAgainIsRefused(t *testing.T) {
	for code, ends := range map[zktest.ErrCode]bool{-127: false, -102: true, -5: true, 42: true} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "old")
				cli := connected(t, s)
				tree, err := sessionOf(t, cli).WatchTree(t.Context(), "/node")
				require.NoError(t, err)
				defer tree.Stop()
				_, w, err := cli.WatchData(t.Context(), "/node") // served by the recursive one
				require.NoError(t, err)
				answering(t, s, zktest.OpSetWatches2, code, 1) // then the watches are set one by one
				refused := answering(t, s, zktest.OpAddWatch, code, 2)
				s.Cut(zktest.AllConns())
				require.NoError(t, s.Set("/node", []byte("new")))
				awaitState(t, cli, framework.Reconnected)
				ctx, cancel := context.WithTimeout(t.Context(), 2*sessionTimeout)
				defer cancel()
				ev, err := tree.Next(ctx)
				if ends {
					require.Error(t, err)
					require.NoError(t, ctx.Err(), "the reader is told at once")
				} else {
					require.NoError(t, err)
					assert.Equal(t, framework.EventReset, ev.Type)
					assert.Equal(t, 2, *refused)
				}
				awaitEvent(t, w, 2*sessionTimeout)
			})
		})
	}
}
