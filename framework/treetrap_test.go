package framework_test

import (
	"fmt"
	"math/rand/v2"
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

// watchModes are what servers make of several watches on one path.
var watchModes = map[string]zktest.WatchModes{"3.9": zktest.SideBySide, "3.8": zktest.LastWins}

// below is the part of the server's tree that starts at root.
func below(s *zktest.Server, root string) map[string]string {
	nodes := make(map[string]string)
	for path, n := range s.Dump() {
		if path == root || strings.HasPrefix(path, root+"/") {
			nodes[path] = string(n.Data)
		}
	}
	return nodes
}

// oneShots are the ways to watch a node once, each with a change that fires it.
var oneShots = map[string]struct {
	watch func(t *testing.T, s *framework.Session, path string) *framework.Watch
	fire  func(s *zktest.Server, path string) error
	want  framework.EventType
}{
	"data": {
		func(t *testing.T, s *framework.Session, path string) *framework.Watch {
			_, w, err := s.WatchData(within(t, patience), path)
			require.NoError(t, err)
			return w
		},
		func(s *zktest.Server, path string) error { return s.Set(path, []byte("fired")) },
		framework.EventDataChanged,
	},
	"exists": {
		func(t *testing.T, s *framework.Session, path string) *framework.Watch {
			_, _, w, err := s.WatchExists(within(t, patience), path)
			require.NoError(t, err)
			return w
		},
		func(s *zktest.Server, path string) error { return s.Set(path, []byte("fired")) },
		framework.EventDataChanged,
	},
	"children": {
		func(t *testing.T, s *framework.Session, path string) *framework.Watch {
			_, _, w, err := s.WatchChildren(within(t, patience), path)
			require.NoError(t, err)
			return w
		},
		func(s *zktest.Server, path string) error {
			_, err := s.Create(path+"/fired", nil, zktest.Persistent)
			return err
		},
		framework.EventChildrenChanged,
	},
}

// trap runs f with each kind of one-shot watch on each kind of server.
func trap(t *testing.T, f func(t *testing.T, s *zktest.Server, kind string)) {
	for version, modes := range watchModes {
		for kind := range oneShots {
			t.Run(version+" "+kind, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{Watches: modes})
					mustCreate(t, s, "/root/a", "")
					f(t, s, kind)
				})
			})
		}
	}
}

// work changes the root and what is below it, and checks that the mirror follows.
func work(s *zktest.Server, m *mirror, round int) {
	m.Helper()
	for i := range 3 {
		require.NoError(m, s.Set("/root", fmt.Append(nil, round, i)))
		require.NoError(m, s.Set("/root/a", fmt.Append(nil, round, i)))
		mustCreate(m.T, s, fmt.Sprintf("/root/a/%d.%d", round, i), "")
	}
	require.NoError(m, m.session.Sync(m.ctx(), "/"))
	m.catchUp()
	require.Equal(m, below(s, "/root"), m.nodes)
}

// ZOOKEEPER-4466: one-shot watches on the watched path itself end neither the recursive watch nor each other, whichever comes
// first, and whichever fires. Each case has a bubble of its own.
func TestTreeWatchBesideOneShots(t *testing.T) {
	t.Run("one-shot after", func(t *testing.T) {
		trap(t, func(t *testing.T, s *zktest.Server, kind string) {
			m := newMirror(t, sessionOf(t, connected(t, s)), "/root")
			for round := range 3 {
				w := oneShots[kind].watch(t, m.session, "/root")
				require.NoError(t, oneShots[kind].fire(s, "/root"))
				assert.Equal(t, oneShots[kind].want, (<-w.C).Type)
				work(s, m, round)
				_ = s.Delete("/root/fired")
			}
			assert.Zero(t, m.resets, "no cause for one")
		})
	})
	t.Run("one-shot before", func(t *testing.T) {
		trap(t, func(t *testing.T, s *zktest.Server, kind string) {
			session := sessionOf(t, connected(t, s))
			w := oneShots[kind].watch(t, session, "/root")
			m := newMirror(t, session, "/root")
			require.NoError(t, s.Set("/root/a", []byte("1")))
			assert.Empty(t, w.C)
			require.NoError(t, oneShots[kind].fire(s, "/root"))
			assert.Equal(t, oneShots[kind].want, (<-w.C).Type)
			for round := range 3 {
				work(s, m, round)
			}
			assert.Zero(t, m.resets, "no cause for one")
		})
	})
	t.Run("one-shot before, and a new link", func(t *testing.T) {
		trap(t, func(t *testing.T, s *zktest.Server, kind string) {
			session := sessionOf(t, connected(t, s))
			w := oneShots[kind].watch(t, session, "/root")
			m := newMirror(t, session, "/root")
			for round := range 3 {
				s.Cut(zktest.AllConns())
				time.Sleep(5 * time.Second) // for what is set again
				m.catchUp()
				assert.Equal(t, round+1, min(m.resets, round+1))
				require.NoError(t, s.Set("/root/a", fmt.Append(nil, "alone", round)))
				work(s, m, round)
				s.Cut(zktest.AllConns())
				work(s, m, 10+round)
			}
			require.Len(t, w.C, 1, "something may have been missed")
		})
	})
}

// When the tree is not watched any more, one-shot watches are their own again.
func TestOneShotsOutliveTheTreeWatch(t *testing.T) {
	trap(t, func(t *testing.T, s *zktest.Server, kind string) {
		session := sessionOf(t, connected(t, s))
		early := oneShots[kind].watch(t, session, "/root")
		tree, err := session.WatchTree(within(t, patience), "/root")
		require.NoError(t, err)
		late := oneShots[kind].watch(t, session, "/root")
		tree.Stop()
		for _, w := range []*framework.Watch{early, late} {
			assert.Equal(t, "/root", (<-w.C).Path, "they may have lost what they lived on")
		}
		again := oneShots[kind].watch(t, session, "/root")
		synctest.Wait()
		assert.Empty(t, again.C)
		require.NoError(t, oneShots[kind].fire(s, "/root"))
		assert.Equal(t, oneShots[kind].want, (<-again.C).Type)
	})
}

// One-shot watches come and go on the very path, from many goroutines, before, during and after the setting of the tree
// watch, and the link breaks now and then. Both sorts of watch miss nothing.
func TestTreeWatchAmongOneShots(t *testing.T) {
	for version, modes := range watchModes {
		for seed := range uint64(10) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Watches: modes, Seed: seed})
				mustCreate(t, s, "/root/a", "0")
				session := sessionOf(t, connected(t, s, timeout(time.Minute)))
				random := rand.New(rand.NewPCG(seed, 1))
				stop := make(chan struct{})
				var watchers sync.WaitGroup
				latest := make([]string, 3)
				for i := range latest {
					pause := time.Duration(random.IntN(int(time.Millisecond)))
					watchers.Go(func() {
						time.Sleep(pause)
						followOnce(t, session, stop, &latest[i])
					})
				}
				time.Sleep(time.Duration(random.IntN(int(2 * time.Millisecond))))
				m := newMirror(t, session, "/root")
				for round := range 10 {
					if random.IntN(4) == 0 {
						s.Cut(zktest.AllConns())
					}
					time.Sleep(time.Duration(random.IntN(int(2 * time.Millisecond))))
					work(s, m, round)
				}
				last := fmt.Sprint("last ", version, seed)
				require.NoError(t, s.Set("/root", []byte(last)))
				time.Sleep(20 * time.Second)
				m.catchUp()
				require.Equal(t, below(s, "/root"), m.nodes)
				close(stop)
				watchers.Wait()
				require.Equal(t, []string{last, last, last}, latest, "%s, seed %d", version, seed)
			})
		}
	}
}

// followOnce keeps the latest data of the root with one-shot watches.
func followOnce(t *testing.T, session *framework.Session, stop <-chan struct{}, latest *string) {
	for {
		node, w, err := session.WatchData(within(t, time.Hour), "/root")
		if !assert.NoError(t, err) {
			return
		}
		*latest = string(node.Data)
		select {
		case <-w.C:
		case <-stop:
			w.Stop()
			return
		}
	}
}
