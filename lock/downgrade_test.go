package lock_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// Writers who wait stay out, readers right behind the writer come in, and readers behind the next writer wait for that one
// (CURATOR-607, CURATOR-621).
func TestDowngradeKeepsWritersOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, write := w.rw("a")
		readB, writeB := w.rw("b")
		writing := write.granted(t)
		near := readB.queued(t.Context(), w, 2)
		writer := writeB.queued(t.Context(), w, 3)
		far := readB.queued(t.Context(), w, 4)
		before := w.ClientCounts("a")
		reading, err := writing.Downgrade(t.Context())
		require.NoError(t, err)
		assert.Equal(t, requests{zktest.OpCreate2: 1, zktest.OpDelete: 1}, w.ClientCounts("a").Sub(before).Requests)
		assert.ErrorIs(t, context.Cause(writing.Context()), lock.ErrReleased)
		assert.NoError(t, writing.Unlock(t.Context()), "it was held until then")
		assert.Equal(t, writing.Token(), reading.Token())
		second := passed(t, near)
		time.Sleep(time.Hour)
		alive(t, reading)
		assert.Empty(t, writer)
		assert.Empty(t, far)

		_, err = reading.Set(t.Context(), "/locks", nil, framework.AnyVersion)
		assert.NoError(t, err, "its guard works")
		unlock(t, reading)
		time.Sleep(time.Second)
		assert.Empty(t, writer)
		unlock(t, second)
		unlock(t, passed(t, writer))
		unlock(t, passed(t, far))
		assert.Empty(t, w.List(path))
	})
}

// The read lock answers SUSPENDED as the write lock did.
func TestDowngradeKeepsThePolicy(t *testing.T) {
	for name, opts := range map[string][]lock.Option{"cancel": nil, "hold": {lock.Hold(0)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, write := w.rw("a", opts...)
				reading, err := write.granted(t).Downgrade(t.Context())
				require.NoError(t, err)
				w.cut("a")
				if name == "cancel" {
					assert.ErrorIs(t, waitOver(t, reading, time.Second), framework.ErrSuspended)
					return
				}
				time.Sleep(time.Second)
				alive(t, reading)
			})
		})
	}
}

// The one who waits for nobody but the writer that is downgraded waits for the reader it has become.
func TestDowngradeWithAWriterRightBehind(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, write := w.rw("a")
		readB, writeB := w.rw("b")
		writing := write.granted(t)
		writer := writeB.queued(t.Context(), w, 2)
		far := readB.queued(t.Context(), w, 3)
		reading, err := writing.Downgrade(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		assert.Empty(t, writer)
		assert.Empty(t, far)
		require.NoError(t, w.Delete(reading.Path()))
		assert.ErrorIs(t, waitOver(t, reading, time.Second), lock.ErrDeleted)
		unlock(t, passed(t, writer))
		unlock(t, passed(t, far))
	})
}

// The connection breaks around each of its two requests.
func TestDowngradeWhoseAnswerIsLost(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpCreate2, zktest.OpDelete} {
		for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
			t.Run(fmt.Sprint(stage, " ", op), func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					_, write := w.rw("a", lock.Hold(0))
					_, writeB := w.rw("b")
					writing := write.granted(t)
					writer := writeB.queued(t.Context(), w, 2)
					w.cutAt(stage, op, 0)
					reading, err := writing.Downgrade(t.Context())
					require.NoError(t, err)
					time.Sleep(timeout)
					alive(t, reading)
					assert.Empty(t, writer)
					assert.Len(t, w.List(path), 2)
					unlock(t, reading)
					unlock(t, passed(t, writer))
				})
			})
		}
	}
}

func TestDowngradeThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for name, way := range map[string]locker{"a mutex": lock.New(cli, "/x").Lock, "a reader": lock.NewRW(cli, "/y").RLock} {
			held := way.granted(t)
			_, err := held.Downgrade(t.Context())
			assert.ErrorIs(t, err, lock.ErrNotWriter, name)
			assert.ErrorContains(t, err, held.Path())
			alive(t, held)
		}
		write := locker(lock.NewRW(cli, path).Lock)
		released := write.granted(t)
		unlock(t, released)
		_, err := released.Downgrade(t.Context())
		assert.ErrorIs(t, err, lock.ErrNotHeld)
		assert.ErrorIs(t, err, lock.ErrReleased)

		twice := write.granted(t)
		reading, err := twice.Downgrade(t.Context())
		require.NoError(t, err)
		_, err = twice.Downgrade(t.Context())
		assert.ErrorIs(t, err, lock.ErrNotHeld)
		_, err = reading.Downgrade(t.Context())
		assert.ErrorIs(t, err, lock.ErrNotWriter)
		unlock(t, reading)
		assert.Empty(t, w.List(path))
	})
}

// A downgrade that fails leaves the write lock, and nothing else.
func TestDowngradeThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world, held *lock.Held, cancel context.CancelFunc)
		want  error
		held  bool // still, as far as the client can tell
	}{
		"no time left": {func(_ *world, _ *lock.Held, cancel context.CancelFunc) { cancel() }, context.Canceled, true},
		"silence":      {func(w *world, _ *lock.Held, _ context.CancelFunc) { w.blip("a", time.Second) }, context.DeadlineExceeded, true},
		"answer lost in an outage": {func(w *world, _ *lock.Held, _ context.CancelFunc) {
			w.cutAt(zktest.Reply, zktest.OpCreate2, time.Second)
		}, context.DeadlineExceeded, true},
		"node deleted": {func(w *world, held *lock.Held, _ context.CancelFunc) {
			w.slowNews()
			assert.NoError(w.t, w.Delete(held.Path()))
		}, lock.ErrDeleted, false},
		"session lost": {func(w *world, _ *lock.Held, _ context.CancelFunc) {
			w.ExpireSession(w.Conns()[0].Session)
		}, framework.ErrSessionLost, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, write := w.rw("a", lock.Hold(0))
				_, other := w.rw("b")
				writing := write.granted(t)
				writer := other.queued(t.Context(), w, 2)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
				defer cancel()
				c.spoil(w, writing, cancel)
				reading, err := writing.Downgrade(ctx)
				assert.ErrorIs(t, err, c.want)
				assert.Nil(t, reading)
				time.Sleep(timeout / 2)
				if c.held {
					alive(t, writing)
					assert.Empty(t, writer)
					assert.Len(t, w.List(path), 2, "the read lock has not stayed")
				}
				assert.Equal(t, c.held, writing.Unlock(t.Context()) == nil)
				unlock(t, passed(t, writer))
				time.Sleep(2 * timeout)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// slowNews makes every watch event a second late.
func (w *world) slowNews() {
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Event {
			return zktest.DelayBy(time.Second)
		}
		return zktest.Pass
	})
}

// blip swallows a client's packets for a while.
func (w *world) blip(name string, d time.Duration) { time.AfterFunc(d, w.Silence(name)) }

// cutAt cuts the connection instead of letting the next such frame pass, and refuses new ones for a while.
func (w *world) cutAt(stage zktest.Stage, op zktest.Op, outage time.Duration) {
	done := false
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if done || f.Stage != stage || f.Op != op {
			return zktest.Pass
		}
		done = true
		if outage > 0 {
			w.Refuse()
			time.AfterFunc(outage, func() { assert.NoError(w.t, w.Accept()) })
		}
		return zktest.Cut
	})
}
