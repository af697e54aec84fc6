package framework_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// cutAt cuts the connection of the nth frame that passes from now on, counted from 0, ahead of it or behind it. The
// function returned says whether there was one.
func cutAt(s *zktest.Server, n int, how zktest.Verdict) (happened func() bool) {
	seen := 0
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if seen++; seen == n+1 {
			return how
		}
		return zktest.Pass
	})
	return func() bool { return seen > n }
}

var allCuts = flag.Bool("framework.allcuts", false, "cut at every frame, and not at every third")

// The link breaks at every single frame of a life of a tree watch, requests, answers and events (at every third without
// -framework.allcuts, each time at others): nothing is missed.
func TestTreeWatchCutAtEveryFrame(t *testing.T) {
	first, step := 0, 3
	if *allCuts {
		step = 1
	}
	verdicts := map[string]zktest.Verdict{"ahead": zktest.Cut, "behind": zktest.CutAfter}
	for _, version := range slices.Sorted(maps.Keys(watchModes)) {
		for _, how := range slices.Sorted(maps.Keys(verdicts)) {
			modes, verdict := watchModes[version], verdicts[how]
			first = (first + 1) % step
			t.Run(version+" "+how, func(t *testing.T) {
				for n, more := first, true; more; n += step {
					bubble(t, func(t *testing.T) { more = liveWithACut(t, modes, n, verdict) })
				}
			})
		}
	}
}

// liveWithACut watches, stops, and watches again, in a bubble. It reports whether the cut has come.
func liveWithACut(t *testing.T, modes zktest.WatchModes, n int, how zktest.Verdict) bool {
	s := startServer(t, zktest.Config{Watches: modes})
	mustCreate(t, s, "/root/a", "0")
	session := sessionOf(t, connected(t, s, timeout(time.Minute)))
	happened := cutAt(s, n, how)
	m := newMirror(t, session, "/root")
	work(s, m, n)
	_, w, err := session.WatchData(m.ctx(), "/root")
	require.NoError(t, err)
	require.NoError(t, s.Set("/root", []byte("1")))
	<-w.C
	m.watch.Stop()
	m = newMirror(t, session, "/root")
	work(s, m, n+1)
	time.Sleep(time.Minute)
	m.catchUp()
	require.Equal(t, below(s, "/root"), m.nodes)
	return happened()
}

// What is written and when the link breaks is left to chance. The copy is always right in the end, and what was told since
// the last reset are the last changes there were, in their order.
func TestTreeWatchAgainstAnOracle(t *testing.T) {
	for seed := range uint64(60) {
		bubble(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			s := startServer(t, zktest.Config{Seed: seed, Watches: zktest.WatchModes(seed % 2)})
			mustCreate(t, s, "/root", "")
			session := sessionOf(t, connected(t, s, timeout(time.Minute)))
			m := newMirror(t, session, "/root")
			var log []string
			for range 100 {
				time.Sleep(time.Duration(random.IntN(int(2 * time.Millisecond))))
				log = append(log, change(s, random))
				switch random.IntN(20) {
				case 0:
					s.Cut(zktest.AllConns())
				case 1:
					m.catchUp()
				}
			}
			time.Sleep(20 * time.Second)
			m.catchUp()
			require.Equal(t, below(s, "/root"), m.nodes, "seed %d", seed)
			seen := spelled(m.seen)
			require.Equal(t, fmt.Sprint(log[len(log)-len(seen):]), fmt.Sprint(seen), "seed %d", seed)
			if m.resets == 0 {
				require.Len(t, seen, len(log))
			}
		})
	}
}

// change makes one random change below /root and says which event it gives.
func change(s *zktest.Server, random *rand.Rand) string {
	for {
		path := fmt.Sprintf("/root/%d", random.IntN(4))
		if random.IntN(2) == 0 {
			path += fmt.Sprintf("/%d", random.IntN(3))
		}
		switch random.IntN(3) {
		case 0:
			if _, err := s.Create(path, nil, zktest.Persistent); err == nil {
				return "Created " + path
			}
		case 1:
			if s.Delete(path) == nil {
				return "Deleted " + path
			}
		default:
			if s.Set(path, fmt.Append(nil, random.Uint32())) == nil {
				return "DataChanged " + path
			}
		}
	}
}

// A server that knows no such watches costs one connection, once in the life of the client.
func TestTreeWatchUnsupportedByServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Watches: zktest.OneShotOnly})
		mustCreate(t, s, "/root", "")
		cli := connected(t, s, timeout(time.Minute))
		seen := record(t, cli)
		for range 3 {
			_, err := sessionOf(t, cli).WatchTree(within(t, patience), "/root")
			require.ErrorIs(t, err, framework.ErrUnsupported)
		}
		require.NoError(t, cli.Sync(within(t, patience), "/"))
		assert.Equal(t, 1, seen.count(framework.Suspended))
		require.True(t, s.ExpireSession(sessionID(t, s)))
		awaitState(t, cli, framework.Lost)
		_, err := sessionOf(t, cli).WatchTree(within(t, patience), "/root")
		require.ErrorIs(t, err, framework.ErrUnsupported)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 1, s.Counts().Requests[zktest.OpAddWatch])
		_, w, err := cli.WatchData(within(t, patience), "/root")
		require.NoError(t, err)
		require.NoError(t, s.Set("/root", nil))
		assert.Equal(t, framework.EventDataChanged, (<-w.C).Type)
	})
}

// Some servers just hang up on what they do not know.
func TestTreeWatchOnAServerThatHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		asked := 0
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpAddWatch {
				asked++
				return zktest.Cut
			}
			return zktest.Pass
		})
		cli := connected(t, s, timeout(time.Minute))
		for range 3 {
			_, err := sessionOf(t, cli).WatchTree(within(t, patience), "/root")
			require.ErrorIs(t, err, framework.ErrUnsupported)
		}
		assert.Equal(t, 2, asked)
	})
}

// When the last one is stopped the server is told, and it does not cost a request of the client's own.
func TestTreeWatchIsTakenBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/root", "")
		cli := connected(t, s)
		one, two := watchTree(t, cli, "/root"), watchTree(t, cli, "/root")
		assert.EqualValues(t, 1, s.Counts().Requests[zktest.OpAddWatch])
		one.Stop()
		time.Sleep(sessionTimeout)
		require.NoError(t, s.Set("/root", nil))
		assert.Equal(t, []string{"DataChanged /root"}, told(t, two))
		two.Stop()
		time.Sleep(sessionTimeout)
		assert.EqualValues(t, 1, s.Counts().Requests[zktest.OpRemoveWatches])
		before := s.Counts().Events
		require.NoError(t, s.Set("/root", nil))
		time.Sleep(time.Second)
		assert.Equal(t, before, s.Counts().Events)
		s.Cut(zktest.AllConns())
		time.Sleep(sessionTimeout)
		assert.EqualValues(t, 1, s.Counts().Requests[zktest.OpAddWatch], "not set again on the next link")
	})
}

// A call that is given up leaves nothing behind.
func TestTreeWatchGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		session := sessionOf(t, cli)
		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		_, err := session.WatchTree(within(t, time.Millisecond), "/root")
		require.Error(t, err)
		heal()
		time.Sleep(2 * sessionTimeout)
		got := s.Counts().Requests
		assert.Equal(t, got[zktest.OpAddWatch], got[zktest.OpRemoveWatches])
		_, err = session.WatchTree(within(t, time.Second), "root//")
		require.ErrorIs(t, err, framework.ErrInvalidPath)
	})
}
