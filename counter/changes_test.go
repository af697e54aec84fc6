package counter_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestChanges(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		v, i := counter.NewValue(cli, path, counter.WithSeed([]byte("seed"))), counter.NewInt(cli, path)
		changes := v.Changes(t.Context())
		assert.Equal(t, bytesAt(counter.NoVersion, "seed"), next(t, changes))
		none(t, changes)
		assert.NoError(t, changes.Err())
		w.raise(path, be32(7))
		assert.Equal(t, bytesAt(0, string(be32(7))), next(t, changes))
		numbers := i.Changes(t.Context())
		assert.Equal(t, counter.Versioned[int64]{Value: 7}, next(t, numbers))
		w.others(be32(8))()
		assert.Equal(t, bytesAt(1, string(be32(8))), next(t, changes))
		assert.Equal(t, counter.Versioned[int64]{Value: 8, Version: 1}, next(t, numbers))
		_, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 9, next(t, numbers).Value)
		next(t, changes)
		require.NoError(t, v.Set(t.Context(), be32(9)))
		assert.EqualValues(t, 3, next(t, numbers).Version, "written, though to the same")
		next(t, changes)
		w.remove()
		assert.Equal(t, bytesAt(counter.NoVersion, "seed"), next(t, changes))
		assert.Equal(t, counter.Versioned[int64]{Version: counter.NoVersion}, next(t, numbers))
		w.raise(path, be32(9))
		assert.Equal(t, bytesAt(0, string(be32(9))), next(t, changes))
		none(t, changes)
	})
}

func TestCostOfChanges(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, nil)
		v := counter.NewValue(w.Connect("a"), path)
		before := w.Counts()
		changes := v.Changes(t.Context())
		next(t, changes)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpSync: 1, zktest.OpGetData: 1}, w.Counts().Sub(before).Requests)
		before = w.Counts()
		w.others([]byte("x"))()
		next(t, changes)
		none(t, changes)
		cost := w.Counts().Sub(before)
		assert.Equal(t, map[zktest.Op]int64{zktest.OpGetData: 1}, cost.Requests)
		assert.EqualValues(t, 1, cost.Events)
		before = w.Counts()
		require.NoError(t, v.Set(t.Context(), nil))
		next(t, changes)
		assert.EqualValues(t, 1, w.Counts().Sub(before).Events, "receipts are nobody's business")
	})
}

// Whoever reads slowly gets the latest state, and it is the last one.
func TestSlowReader(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		i := counter.NewInt(w.Connect("a"), path)
		changes, quick := i.Changes(t.Context()), i.Changes(t.Context())
		writer := counter.NewInt(w.Connect("writer"), path)
		var seen []int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s := range quick.C {
				if seen = append(seen, s.Value); s.Value == 100 {
					return
				}
			}
		}()
		for range 100 {
			_, err := writer.Add(t.Context(), 1)
			require.NoError(t, err)
			time.Sleep(10 * time.Millisecond)
		}
		<-done
		assert.Len(t, seen, 102, "none, and 0 to 100")
		time.Sleep(time.Second)
		assert.Equal(t, counter.Versioned[int64]{Value: 100, Version: 100}, next(t, changes))
		none(t, changes)
	})
}

// What changes while the connection is away is seen when it is back, in either session; what has not is not given again.
func TestChangesWhileAway(t *testing.T) {
	for name, lost := range map[string]bool{"the session lives": false, "the session is lost": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, []byte("0"))
				cli := w.Connect("a")
				changes := counter.NewValue(cli, path).Changes(t.Context())
				assert.Equal(t, bytesAt(0, "0"), next(t, changes))
				require.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, cli.Recipes()[0].Policy)
				away := func(f func()) {
					session := cli.State().SessionID
					w.Blip("a", func() {
						f()
						if lost {
							require.True(t, w.ExpireSession(session))
						}
					})
				}
				away(func() {
					w.others([]byte("1"))()
					w.others([]byte("2"))()
				})
				assert.Equal(t, bytesAt(2, "2"), next(t, changes))
				away(nothing)
				none(t, changes)
				away(func() {
					w.remove()
					w.raise(path, []byte("new"))
				})
				assert.Equal(t, bytesAt(0, "new"), next(t, changes))
				away(w.remove)
				assert.EqualValues(t, counter.NoVersion, next(t, changes).Version)
				away(func() { w.raise(path, []byte("again")) })
				assert.Equal(t, bytesAt(0, "again"), next(t, changes))
				assert.Equal(t, lost, cli.State().Epoch > 1)
			})
		})
	}
}

// Created between the look that did not find it and the one that watches its absence.
func TestCreatedBetweenTheLooks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		v := counter.NewValue(w.Connect("a"), path)
		w.onceOn(zktest.Request, zktest.OpExists, zktest.Pass, func() { w.raise(path, []byte("x")) })
		changes := v.Changes(t.Context())
		assert.Equal(t, bytesAt(0, "x"), next(t, changes))
		w.others([]byte("y"))()
		assert.Equal(t, bytesAt(1, "y"), next(t, changes))
		none(t, changes)
	})
}

func TestEndOfChanges(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, be32(7))
		cli := w.Connect("a")
		i := counter.NewInt(cli, path)
		require.Equal(t, counter.NewValue(cli, path).Policy(), i.Policy())
		ctx, cancel := context.WithCancel(t.Context())
		changes := i.Changes(ctx)
		time.Sleep(time.Second)
		cancel()
		time.Sleep(time.Second)
		assert.EqualValues(t, 7, next(t, changes).Value, "it was there before the end")
		_, open := <-changes.C
		assert.False(t, open)
		assert.ErrorIs(t, changes.Err(), context.Canceled)
		assert.ErrorContains(t, changes.Err(), path)

		changes = i.Changes(t.Context())
		next(t, changes)
		require.NoError(t, cli.Close())
		_, open = <-changes.C
		assert.False(t, open)
		assert.ErrorIs(t, changes.Err(), framework.ErrClosed)
		changes = i.Changes(t.Context())
		_, open = <-changes.C
		assert.False(t, open)
		assert.ErrorIs(t, changes.Err(), framework.ErrClosed)
	})
}

// The value cannot be read for a while: Changes goes on when it can.
func TestChangesRefusedLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin, cli := w.Connect("admin"), w.Connect("a")
		v := counter.NewValue(cli, path)
		require.NoError(t, v.Set(t.Context(), []byte("1")))
		changes := v.Changes(t.Context())
		assert.Equal(t, "1", string(next(t, changes).Value))
		allow := func(perms int32) {
			_, err := admin.SetACL(t.Context(), path, []framework.ACL{{Scheme: "world", ID: "anyone", Perms: perms}}, framework.AnyVersion)
			require.NoError(t, err)
		}
		allow(31 &^ 1)
		_, err := admin.Set(t.Context(), path, []byte("2"), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(5 * time.Minute) // servers do not tell of nodes that may not be read
		require.NoError(t, changes.Err())
		require.Len(t, cli.Health().Reasons, 1)
		assert.ErrorIs(t, cli.Health().Reasons[0].Err, framework.ErrNoAuth)
		allow(31)
		time.Sleep(time.Minute)
		assert.Equal(t, "2", string(next(t, changes).Value))
		assert.True(t, cli.Health().Ready())

		allow(31 &^ 1)
		refused := v.Changes(t.Context())
		_, open := <-refused.C
		assert.False(t, open)
		assert.ErrorIs(t, refused.Err(), framework.ErrNoAuth, "from the start")
	})
}

func TestUpdateWithNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, err := counter.NewValue(w.Connect("a"), path).Update(t.Context(), nil)
		assert.ErrorContains(t, err, "nil")
	})
}
