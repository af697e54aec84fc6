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

// locker is one of the ways to lock.
type locker func(context.Context) (*lock.Held, error)

// granted calls a way to lock that does not have to wait.
func (l locker) granted(t *testing.T) *lock.Held {
	t.Helper()
	held, err := l(t.Context())
	return must(t, held, err)
}

// queued calls a way to lock beside the test and returns when it has its place in a queue of n nodes. It runs in a bubble.
func (l locker) queued(ctx context.Context, w *world, n int) <-chan result {
	w.t.Helper()
	c := make(chan result, 1)
	go func() {
		held, err := l(ctx)
		c <- result{held, err, time.Now()}
	}()
	for range 1000 {
		if len(w.List(path)) == n {
			time.Sleep(10 * time.Millisecond) // for its watch
			return c
		}
		time.Sleep(time.Millisecond)
	}
	w.t.Fatalf("the queue has %d nodes and not %d", len(w.List(path)), n)
	return nil
}

// passed is the Held that a waiting call has got.
func passed(t *testing.T, c <-chan result) *lock.Held {
	t.Helper()
	r := <-c
	return must(t, r.held, r.err)
}

func unlock(t *testing.T, held ...*lock.Held) {
	t.Helper()
	for _, h := range held {
		require.NoError(t, h.Unlock(t.Context()))
	}
}

// rw is a read/write lock of a client of that name.
func (w *world) rw(name string, opts ...lock.Option) (read, write locker) {
	w.t.Helper()
	m := lock.NewRW(w.Connect(name), path, opts...)
	return m.RLock, m.Lock
}

func TestReadersShareAndWritersExclude(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		readA, writeA := w.rw("a")
		readB, writeB := w.rw("b")
		first, second := readA.granted(t), readB.granted(t)
		alive(t, first)
		alive(t, second)
		writer := writeB.queued(t.Context(), w, 3)
		time.Sleep(time.Hour)
		assert.Empty(t, writer)
		unlock(t, first)
		time.Sleep(time.Second)
		assert.Empty(t, writer, "a reader is left")
		unlock(t, second)
		writing := passed(t, writer)

		reader, other := readA.queued(t.Context(), w, 2), writeA.queued(t.Context(), w, 3)
		time.Sleep(time.Hour)
		assert.Empty(t, reader)
		assert.Empty(t, other)
		unlock(t, writing)
		reading := passed(t, reader)
		assert.Empty(t, other)
		unlock(t, reading)
		last := passed(t, other)
		for i, pair := range [][2]*lock.Held{{first, writing}, {second, writing}, {writing, reading}, {reading, last}} {
			assert.Less(t, pair[0].Token(), pair[1].Token(), "pair %d", i)
		}
		unlock(t, last)
		assert.Empty(t, w.List(path))
	})
}

// Readers that come after a writer wait for it, although readers hold: else those who keep coming would keep it out.
func TestQueuedWriterIsNotStarved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		readA, _ := w.rw("a")
		readB, writeB := w.rw("b")
		reading := readA.granted(t)
		writer := writeB.queued(t.Context(), w, 2)
		late := readB.queued(t.Context(), w, 3)
		later := readA.queued(t.Context(), w, 4)
		time.Sleep(time.Hour)
		assert.Empty(t, late)
		unlock(t, reading)
		writing := passed(t, writer)
		time.Sleep(time.Second)
		assert.Empty(t, late)
		assert.Empty(t, later)
		unlock(t, writing)
		unlock(t, passed(t, late), passed(t, later))
	})
}

// A writer that gives up stands in nobody's way any more.
func TestReadersPassAWriterThatGaveUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		read, _ := w.rw("a")
		_, write := w.rw("b", lock.WaitLimit(time.Minute))
		reading := read.granted(t)
		writer := write.queued(t.Context(), w, 2)
		late := read.queued(t.Context(), w, 3)
		r := <-writer
		assert.ErrorIs(t, r.err, lock.ErrWaitLimit)
		assert.ErrorContains(t, r.err, "write lock "+path)
		second := passed(t, late)
		alive(t, reading)
		unlock(t, reading, second)
	})
}

func TestKilledWriterLetsReadersIn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("writer")
		writing, err := lock.NewRW(cli, path, lock.Hold(0)).Lock(t.Context())
		require.NoError(t, err)
		readA, _ := w.rw("a")
		readB, _ := w.rw("b")
		one, two := readA.queued(t.Context(), w, 2), readB.queued(t.Context(), w, 3)
		w.ExpireSession(w.session(cli))
		alive(t, passed(t, one))
		alive(t, passed(t, two))
		assert.ErrorIs(t, waitOver(t, writing, time.Second), framework.ErrSessionLost)
	})
}

// A release wakes those who can go and nobody else.
func TestReleasesWakeOnlyThoseWhoCanGo(t *testing.T) {
	const readers = 20
	bubble(t, func(t *testing.T, w *world) {
		_, write := w.rw("writer")
		writing := write.granted(t)
		n := 1
		group := func() (calls []<-chan result) {
			for i := range readers {
				n++
				read, _ := w.rw(fmt.Sprint("reader ", n, i))
				calls = append(calls, read.queued(t.Context(), w, n))
			}
			return calls
		}
		first := group()
		n++
		next := write.queued(t.Context(), w, n)
		second := group()

		before := w.Counts()
		unlock(t, writing)
		var reading []*lock.Held
		for _, c := range first {
			reading = append(reading, passed(t, c))
		}
		time.Sleep(time.Millisecond)
		cost := w.Counts().Sub(before)
		assert.Equal(t, requests{zktest.OpDelete: 1, zktest.OpGetChildren2: readers}, cost.Requests, "the readers up to the next writer")

		time.Sleep(time.Second)
		before = w.Counts()
		unlock(t, reading[:readers-1]...)
		time.Sleep(time.Second)
		cost = w.Counts().Sub(before)
		assert.Equal(t, requests{zktest.OpDelete: readers - 1}, cost.Requests, "nobody")
		assert.Empty(t, next)

		before = w.Counts()
		unlock(t, reading[readers-1])
		writing = passed(t, next)
		cost = w.Counts().Sub(before)
		assert.Equal(t, requests{zktest.OpDelete: 1, zktest.OpGetChildren2: 1}, cost.Requests, "the writer")
		unlock(t, writing)
		for _, c := range second {
			unlock(t, passed(t, c))
		}
	})
}

func TestTryRWLock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		m, other := lock.NewRW(w.Connect("a"), path), lock.NewRW(w.Connect("b"), path)
		reading := locker(m.TryRLock).granted(t)
		second := locker(other.TryRLock).granted(t)
		before := w.Counts()
		_, err := other.TryLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked)
		assert.Equal(t, requests{zktest.OpGetChildren2: 1}, w.Counts().Sub(before).Requests, "it only looks")
		writer := locker(m.Lock).queued(t.Context(), w, 3)
		_, err = other.TryRLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked, "somebody waits to write")
		unlock(t, reading, second)
		writing := passed(t, writer)
		_, err = other.TryRLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked)
		unlock(t, writing)
		unlock(t, locker(other.TryLock).granted(t))
	})
}

// kazoo's names stand in the same queue: its lock and write lock exclude, its read lock shares.
func TestReadWriteNamesOfOthers(t *testing.T) {
	for name, readersWait := range map[string]bool{
		"_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-__READ__": false,
		"_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-__WRIT__": true,
		"0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__":         true,
		"0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__rlock__":        false,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				read, write := w.rw("a")
				unlock(t, read.granted(t))
				other, err := w.Create(path+"/"+name, nil, zktest.PersistentSequential)
				require.NoError(t, err)
				reader := read.queued(t.Context(), w, 2)
				time.Sleep(time.Second)
				assert.Len(t, reader, map[bool]int{true: 0, false: 1}[readersWait])
				writer := write.queued(t.Context(), w, 3)
				require.NoError(t, w.Delete(other))
				unlock(t, passed(t, reader))
				unlock(t, passed(t, writer))
			})
		})
	}
}

func TestReadWriteContendersAndOptions(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		})
		m := lock.NewRW(cli, path, lock.WithData([]byte("pod 7")), lock.WithACL(framework.CreatorACL()), lock.Hold(time.Second), lock.StopOnLost())
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop, Grace: time.Second}, m.Policy())
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}, m.WaitPolicy())
		one, two := locker(m.RLock).granted(t), locker(m.RLock).granted(t)
		writer := locker(m.Lock).queued(t.Context(), w, 3)
		list, err := m.Contenders(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 3)
		for i, held := range []*lock.Held{one, two} {
			assert.Equal(t, held.Path(), list[i].Path)
			assert.Contains(t, held.Path(), "-__READ__")
		}
		assert.Contains(t, list[2].Path, "-__WRIT__")
		assert.Equal(t, []bool{true, true, false}, []bool{list[0].Holds, list[1].Holds, list[2].Holds})
		assert.Equal(t, "[read read exclusive]", fmt.Sprint([]lock.Kind{list[0].Kind, list[1].Kind, list[2].Kind}))
		_, err = lock.NewRW(w.Connect("b"), path).TryLock(t.Context())
		assert.ErrorIs(t, err, lock.ErrLocked)
		_, err = w.Connect("c").Get(t.Context(), list[2].Path)
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		for _, c := range list {
			assert.Equal(t, "pod 7", string(c.Data))
		}
		w.cut("a")
		time.Sleep(time.Second / 2)
		unlock(t, one, two) // held through the blip
		writing := passed(t, writer)
		reading, err := writing.Downgrade(t.Context())
		require.NoError(t, err)
		node, err := cli.Get(t.Context(), reading.Path())
		require.NoError(t, err)
		assert.Equal(t, "pod 7", string(node.Data))
		_, err = w.Connect("d").Get(t.Context(), reading.Path())
		assert.ErrorIs(t, err, framework.ErrNoAuth, "a downgraded lock has them too")
		w.cut("a")
		time.Sleep(time.Second / 2)
		unlock(t, reading)

		last := locker(m.Lock).granted(t)
		waiting := locker(m.RLock).queued(t.Context(), w, 2)
		w.ExpireSession(w.session(cli))
		assert.ErrorIs(t, (<-waiting).err, framework.ErrSessionLost)
		assert.Error(t, last.Unlock(t.Context()))
	})
}
