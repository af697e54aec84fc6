package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// fault is what happens to the n-th frame of the client "a", counted from 1.
type fault struct {
	n       int
	verdict zktest.Verdict
	outage  time.Duration // how long no connection is accepted afterwards
	happened,
	healed bool
}

// arm makes it happen. Pings do not count: when they come is no part of what is tested.
func (f *fault) arm(w *world) {
	count := 0
	w.OnFrame(func(frame zktest.Frame) zktest.Verdict {
		if frame.Conn.Client != "a" || frame.Op == zktest.OpPing || f.happened {
			return zktest.Pass
		}
		if count++; count < f.n {
			return zktest.Pass
		}
		f.happened = true
		if f.outage > 0 {
			w.Refuse()
			time.AfterFunc(f.outage, func() {
				assert.NoError(w.t, w.Accept())
				f.healed = true
			})
		}
		return f.verdict
	})
}

// everyFrame runs a scenario, in a bubble, with a fault at its first frame, its second, and so on until there is none.
func everyFrame(t *testing.T, run func(t *testing.T, w *world, arm func())) {
	t.Helper()
	for name, f := range map[string]fault{
		"cut":                        {verdict: zktest.Cut},
		"cut after":                  {verdict: zktest.CutAfter},
		"cut, away within session":   {verdict: zktest.Cut, outage: timeout / 2},
		"cut after, session is lost": {verdict: zktest.CutAfter, outage: 2 * timeout},
	} {
		t.Run(name, func(t *testing.T) {
			frames := 0
			for more := true; more; frames++ {
				f.n, f.happened = frames+1, false
				bubbleWith(t, zktest.Config{TickTime: 2 * time.Second}, func(t *testing.T, w *world) {
					run(t, w, func() { f.arm(w) })
				})
				require.False(t, t.Failed(), "frame %d", f.n)
				more = f.happened
			}
			require.Greater(t, frames, 5)
			t.Logf("%d frames", frames-1)
		})
	}
}

// kinds are what can be kept without leaving anything behind, whatever is lost.
var kinds = map[string][]node.Option{
	"ephemeral":            nil,
	"sequential":           {node.WithMode(framework.EphemeralSequential)},
	"protected":            {node.Protected(), node.WithMode(framework.EphemeralSequential)},
	"persistent":           {node.WithMode(framework.Persistent)},
	"persistent protected": {node.Protected(), node.WithMode(framework.PersistentSequential)},
}

// The connection breaks at every frame of Keep, Set and Close: at rest the node stands, with the data, if the Keeper is open, and nothing
// stands if it is closed.
func TestCutAtEveryFrame(t *testing.T) {
	for name, opts := range kinds {
		t.Run(name, func(t *testing.T) {
			everyFrame(t, func(t *testing.T, w *world, arm func()) {
				w.parents(path)
				cli := w.Connect("a")
				arm()
				k, err := node.Keep(within(t, time.Hour), cli, path, []byte("one"), opts...)
				require.NoError(t, err)
				require.NoError(t, k.Set(within(t, time.Hour), []byte("two")))
				time.Sleep(3 * timeout)
				assert.True(t, k.Standing().Stands)
				require.Len(t, w.List(dir), 1)
				assert.Equal(t, "two", w.data(k.Path()))
				if k.Standing().Stands && w.owner(k.Path()) != 0 {
					assert.Equal(t, w.session(cli), w.owner(k.Path()))
				}
				require.NoError(t, k.Close(within(t, time.Hour)))
				assert.Empty(t, w.List(dir))
				time.Sleep(3 * timeout)
				assert.Empty(t, w.List(dir))
				assert.Empty(t, cli.Recipes())
			})
		})
	}
}

// The same for the first steps in a new session, with the old one's node still there.
func TestCutAtEveryFrameOfARebuild(t *testing.T) {
	for _, name := range []string{"ephemeral", "sequential", "persistent"} {
		t.Run(name, func(t *testing.T) {
			opts := kinds[name]
			everyFrame(t, func(t *testing.T, w *world, arm func()) {
				w.parents(path)
				cli := w.Connect("a")
				k := w.keep(cli, path, "one", opts...)
				heal := w.Silence("a")
				w.WaitState(cli, framework.Lost)
				arm()
				heal()
				time.Sleep(4 * timeout)
				assert.True(t, k.Standing().Stands)
				require.Len(t, w.List(dir), 1)
				assert.Equal(t, "one", w.data(k.Path()))
				require.NoError(t, k.Close(within(t, time.Hour)))
				time.Sleep(3 * timeout)
				assert.Empty(t, w.List(dir))
			})
		})
	}
}

// The same for the nodes of many Keepers, which are created together, after a session that the server has ended. One of their places is
// taken meanwhile.
func TestCutAtEveryFrameOfARebuildOfMany(t *testing.T) {
	everyFrame(t, func(t *testing.T, w *world, arm func()) {
		w.parents(path)
		cli := w.Connect("a")
		keepers := keepMany(t, cli, dir, 5)
		require.True(t, w.ExpireSession(w.session(cli)))
		w.createFor(w.Connect("other"), keepers[3].Path(), "theirs")
		arm()
		time.Sleep(4 * timeout)
		for i, k := range keepers {
			mine := w.owner(k.Path()) == w.session(cli)
			require.True(t, mine || i == 3) // the other one may have lost its session, too
			require.Equal(t, mine, k.Standing().Stands)
		}
		assert.Len(t, w.List(dir), len(keepers))
	})
}

// The same for taking a name over: whatever breaks, nobody ever sees it absent while the sessions live, and in the end the Keeper
// has it.
func TestCutAtEveryFrameOfAReplacement(t *testing.T) {
	everyFrame(t, func(t *testing.T, w *world, arm func()) {
		w.createFor(w.Connect("other"), path, "theirs")
		cli := w.Connect("a")
		observed, stop := w.observe(path)
		arm()
		k, err := node.Keep(within(t, time.Hour), cli, path, []byte("mine"), node.Replace())
		require.NoError(t, err)
		settle()
		time.Sleep(3 * timeout)
		assert.Equal(t, "mine", w.data(path))
		if cli.State().Epoch == 1 { // the end of its session does take the node along
			observed.never(t)
		}
		stop()
		require.NoError(t, k.Close(within(t, time.Hour)))
		time.Sleep(3 * timeout)
		assert.Empty(t, w.List(dir))
	})
}

// Keep is given up at every stage, with the connection cut at every frame: nothing stays.
func TestKeepGivenUpAtEveryFrame(t *testing.T) {
	for _, name := range []string{"ephemeral", "sequential"} {
		t.Run(name, func(t *testing.T) {
			opts := kinds[name]
			everyFrame(t, func(t *testing.T, w *world, arm func()) {
				w.parents(path)
				cli := w.Connect("a")
				arm()
				slow := w.Delay(zktest.ClientConns("a"), 10*time.Millisecond)
				for d := time.Millisecond; ; d += 23 * time.Millisecond {
					k, err := node.Keep(within(t, d), cli, path, []byte("one"), opts...)
					if err == nil {
						require.NoError(t, k.Close(within(t, time.Hour)))
						break
					}
					time.Sleep(3 * timeout)
					require.Empty(t, w.List(dir), fmt.Sprint("given up after ", d))
				}
				slow()
				time.Sleep(3 * timeout)
				assert.Empty(t, w.List(dir))
				assert.Empty(t, cli.Recipes())
			})
		})
	}
}
