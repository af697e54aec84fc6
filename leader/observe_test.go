package leader_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// next is the next leader that is observed. It runs in a bubble.
func next(t *testing.T, o *leader.Observation) leader.Participant {
	t.Helper()
	select {
	case p, open := <-o.C:
		require.True(t, open, "closed: %v", o.Err())
		return p
	case <-time.After(10 * timeout):
		t.Fatal("nothing comes")
		panic("unreachable")
	}
}

// none checks that there is nothing more to observe. It runs in a bubble.
func none(t *testing.T, o *leader.Observation) {
	t.Helper()
	time.Sleep(time.Second)
	select {
	case p, open := <-o.C:
		t.Fatalf("%+v, %v, %v", p, open, o.Err())
	default:
	}
}

// as is a participant without a client's help.
func (w *world) as(id string) string {
	w.t.Helper()
	at, err := w.Create(path+"/latch-", []byte(id), zktest.PersistentSequential)
	require.NoError(w.t, err)
	return at
}

// raise makes the directory.
func (w *world) raise() {
	w.t.Helper()
	for _, dir := range []string{"/election", path} {
		_, err := w.Create(dir, nil, zktest.Persistent)
		require.NoError(w.t, err)
	}
}

func TestObserve(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"default": nil, "shared": {leader.Shared()}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				e := leader.New(w.Connect("observer"), path, opts...)
				seen := e.Observe(t.Context())
				assert.True(t, next(t, seen).IsNobody(), "there is not even a directory")
				_, err := e.Leader(t.Context())
				assert.ErrorIs(t, err, leader.ErrNoLeader)
				assert.ErrorContains(t, err, path)

				at := time.Now()
				a := elected(t, leader.New(w.Connect("a"), path, append(opts, leader.WithID("a"))...))
				p := next(t, seen)
				assert.Equal(t, "a", p.ID)
				assert.Equal(t, a.Path(), p.Path)
				assert.Equal(t, a.Token(), p.Token)
				_, stat, err := w.Get(a.Path())
				require.NoError(t, err)
				assert.Equal(t, stat.EphemeralOwner, p.Session)
				assert.WithinDuration(t, at, p.Since, 10*time.Millisecond)
				now, err := e.Leader(t.Context())
				require.NoError(t, err)
				assert.Equal(t, p, now)

				b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, append(opts, leader.WithID("b"))...), 2*len(w.List(path)))
				none(t, seen)
				require.NoError(t, a.Resign(t.Context()))
				assert.Equal(t, "b", next(t, seen).ID)
				late := e.Observe(t.Context())
				assert.Equal(t, "b", next(t, late).ID, "the present one first")
				require.NoError(t, won(t, b).Resign(t.Context()))
				assert.True(t, next(t, seen).IsNobody())
				assert.True(t, next(t, late).IsNobody())
				_, err = e.Leader(t.Context())
				assert.ErrorIs(t, err, leader.ErrNoLeader)
				assert.NoError(t, seen.Err())
				none(t, seen)
			})
		})
	}
}

// An observer watches the leader's node, and the directory only while nobody leads.
func TestCostOfObserving(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise()
		first := w.as("first")
		cli := w.Connect("observer")
		cost := func(f func()) zktest.Counts {
			before := w.Counts()
			f()
			time.Sleep(time.Second)
			return w.Counts().Sub(before)
		}
		type requests = map[zktest.Op]int64
		var seen *leader.Observation
		c := cost(func() {
			seen = leader.New(cli, path).Observe(t.Context())
			assert.Equal(t, "first", next(t, seen).ID)
		})
		assert.Equal(t, requests{zktest.OpSync: 1, zktest.OpGetChildren2: 1, zktest.OpGetData: 1}, c.Requests)
		assert.EqualValues(t, 1, c.Watches)
		c = cost(func() {
			for i := range 100 {
				w.as(fmt.Sprint(i))
			}
		})
		assert.Empty(t, c.Requests, "others come and go, and it sleeps")
		assert.Zero(t, c.Events)
		c = cost(func() { require.NoError(t, w.Delete(first)) })
		assert.Equal(t, requests{zktest.OpGetChildren2: 1, zktest.OpGetData: 1}, c.Requests)
		assert.EqualValues(t, 1, c.Events)
		assert.EqualValues(t, 1, c.Watches)
		c = cost(func() {
			names := w.List(path)
			for _, name := range names[1:] {
				require.NoError(t, w.Delete(path+"/"+name))
			}
			require.NoError(t, w.Delete(path+"/"+names[0]))
		})
		assert.EqualValues(t, 1, c.Watches, "on the directory")
		assert.LessOrEqual(t, c.RoundTrips(), int64(3))
		c = cost(func() { w.as("again") })
		assert.Equal(t, requests{zktest.OpGetChildren2: 1, zktest.OpGetData: 1}, c.Requests)
		t.Logf("from nobody to a leader: %v", c.Requests)
	})
}

// Whoever reads slowly gets everything that was seen, in order, and holds up nobody.
func TestSlowObserver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise()
		cli := w.Connect("observer")
		e := leader.New(cli, path)
		slow, quick := e.Observe(t.Context()), e.Observe(t.Context())
		next(t, quick)
		for i := range 50 {
			at := w.as(fmt.Sprint(i))
			assert.Equal(t, fmt.Sprint(i), next(t, quick).ID)
			time.Sleep(10 * time.Millisecond) // for both to have looked
			require.NoError(t, w.Delete(at))
			assert.True(t, next(t, quick).IsNobody())
			time.Sleep(10 * time.Millisecond)
		}
		for i := range 50 {
			assert.True(t, next(t, slow).IsNobody())
			assert.Equal(t, fmt.Sprint(i), next(t, slow).ID)
		}
		assert.True(t, next(t, slow).IsNobody())
		none(t, slow)
		w.as("last")
		time.Sleep(time.Second)
		require.NoError(t, cli.Close(), "which does not wait for a reader")
		assert.Equal(t, "last", next(t, slow).ID, "seen before the end")
		_, open := <-slow.C
		assert.False(t, open)
		assert.ErrorIs(t, slow.Err(), framework.ErrClosed)
	})
}

// What changes while the connection is away is seen when it is back, in either session; what has not is not told again.
func TestObserverThatIsAway(t *testing.T) {
	for name, lost := range map[string]bool{"the session lives": false, "the session is lost": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise()
				cli := w.Connect("observer")
				e := leader.New(cli, path)
				assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, e.ObservePolicy())
				first := w.as("first")
				seen := e.Observe(t.Context())
				assert.Equal(t, "first", next(t, seen).ID)
				away := func(f func()) {
					session := w.session(cli)
					heal := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
						if f.Conn.Client == "observer" {
							return zktest.Cut
						}
						return zktest.Pass
					})
					w.cut("observer")
					time.Sleep(time.Second)
					f()
					if lost {
						require.True(t, w.ExpireSession(session))
					}
					time.Sleep(time.Second)
					heal()
				}
				away(func() {})
				none(t, seen)
				away(func() {
					short := w.as("not seen")
					w.as("third")
					require.NoError(t, w.Delete(first))
					require.NoError(t, w.Delete(short))
				})
				third := next(t, seen)
				assert.Equal(t, "third", third.ID)
				away(func() { require.NoError(t, w.Delete(third.Path)) })
				assert.True(t, next(t, seen).IsNobody())
				away(func() { require.NoError(t, w.Delete(path)) })
				none(t, seen)
				away(func() {
					_, err := w.Create(path, nil, zktest.Persistent)
					require.NoError(t, err)
					w.as("third")
				})
				again := next(t, seen)
				assert.Equal(t, "third", again.ID)
				assert.Greater(t, again.Token, third.Token, "another term, though its node has the number of an earlier one")
				none(t, seen)
				assert.Equal(t, lost, cli.State().Epoch > 1)
			})
		})
	}
}

// The server is restarted, for less or for more than a session lasts.
func TestObserveThroughARestart(t *testing.T) {
	for name, down := range map[string]time.Duration{"short": timeout / 3, "long": 3 * timeout} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				seen := leader.New(w.Connect("observer"), path).Observe(t.Context())
				next(t, seen)
				a := stand(t, w.Connect("a"), leader.WithID("a"), leader.Hold(0))
				first := a.term()
				assert.Equal(t, first.Token(), next(t, seen).Token)
				w.Stop()
				time.Sleep(down)
				require.NoError(t, w.StartEndpoint())
				time.Sleep(3 * timeout)
				if name == "short" {
					leads(t, first)
					none(t, seen)
					return
				}
				last := next(t, seen)
				for len(seen.C) > 0 || last.IsNobody() {
					last = next(t, seen)
				}
				assert.Equal(t, a.term().Token(), last.Token)
				none(t, seen)
			})
		})
	}
}

// The leader's node is set, or goes between the list and the look at it, or the first candidate comes between two looks.
func TestObserverMeetsChanges(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise()
		first := w.as("first")
		w.as("second")
		once := func(op zktest.Op, f func()) {
			done := false
			w.OnFrame(func(fr zktest.Frame) zktest.Verdict {
				if !done && fr.Stage == zktest.Request && fr.Op == op {
					done = true
					f()
				}
				return zktest.Pass
			})
			t.Cleanup(func() { assert.True(t, done) })
		}
		cli := w.Connect("observer")
		once(zktest.OpGetData, func() { assert.NoError(t, w.Delete(first)) })
		seen := leader.New(cli, path).Observe(t.Context())
		second := next(t, seen)
		assert.Equal(t, "second", second.ID)
		_, err := cli.Set(t.Context(), second.Path, []byte("changed"), framework.AnyVersion)
		require.NoError(t, err)
		none(t, seen)

		lists := 0
		w.OnFrame(func(fr zktest.Frame) zktest.Verdict {
			if fr.Stage == zktest.Request && fr.Op == zktest.OpGetChildren2 {
				if lists++; lists == 2 {
					w.as("third")
				}
			}
			return zktest.Pass
		})
		require.NoError(t, w.Delete(second.Path))
		third := next(t, seen)
		assert.Equal(t, "third", third.ID, "nobody led for less than a round trip")
		require.NoError(t, w.Delete(third.Path))
		assert.True(t, next(t, seen).IsNobody())
		none(t, seen)

		require.NoError(t, w.Delete(path))
		once(zktest.OpExists, func() {
			_, err := w.Create(path, nil, zktest.Persistent)
			assert.NoError(t, err)
			w.as("fourth")
		})
		assert.Equal(t, "fourth", next(t, seen).ID)
		now, err := leader.New(cli, path).Leader(t.Context())
		require.NoError(t, err)
		once(zktest.OpGetData, func() { assert.NoError(t, w.Delete(now.Path)) })
		_, err = leader.New(cli, path).Leader(t.Context())
		assert.ErrorIs(t, err, leader.ErrNoLeader)
	})
}

func TestEndOfObservation(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise()
		cli := w.Connect("observer")
		cause := errors.New("no more")
		ctx, cancel := context.WithCancelCause(t.Context())
		seen := leader.New(cli, path).Observe(ctx)
		synctest.Wait()
		cancel(cause)
		synctest.Wait()
		_, open := <-seen.C
		assert.False(t, open, "at once, with what was not read dropped")
		assert.ErrorIs(t, seen.Err(), cause)
		assert.ErrorContains(t, seen.Err(), path)

		seen = leader.New(cli, "/a/").Observe(t.Context())
		_, open = <-seen.C
		assert.False(t, open)
		assert.ErrorIs(t, seen.Err(), framework.ErrInvalidPath)
		_, err := leader.New(cli, "/a/").Leader(t.Context())
		assert.ErrorIs(t, err, framework.ErrInvalidPath)

		_, err = w.Create(path+"/latch-one", nil, zktest.Persistent)
		require.NoError(t, err)
		seen = leader.New(cli, path).Observe(t.Context())
		assert.True(t, (<-seen.C).IsNobody(), "a child that is not a contender's")
		_, err = leader.New(cli, path).Leader(t.Context())
		assert.ErrorIs(t, err, leader.ErrNoLeader)
	})
}
