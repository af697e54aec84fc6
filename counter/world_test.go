package counter_test

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/zktest"
)

const (
	timeout = 10 * time.Second // of the sessions in these tests
	path    = "/counters/c"    // of the value, unless the test needs others
)

// world is a server on a network in memory.
type world struct {
	*docenttest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	bubbleWith(t, zktest.Config{}, f)
}

// bubbleWith is bubble with a server of one's own choice.
func bubbleWith(t *testing.T, cfg zktest.Config, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, &world{docenttest.Start(t, cfg), t}) })
}

// raise creates a node with that data, and its parents.
func (w *world) raise(path string, data []byte) { w.Put(path, string(data)) }

// data is what a node holds.
func (w *world) data(path string) []byte {
	w.t.Helper()
	data, _, err := w.Get(path)
	require.NoError(w.t, err)
	return data
}

// version is a node's version.
func (w *world) version(path string) int32 {
	w.t.Helper()
	_, stat, err := w.Get(path)
	require.NoError(w.t, err)
	return stat.Version
}

// clear deletes what stands below the value.
func (w *world) clear() {
	w.t.Helper()
	for _, name := range w.List(path) {
		keepers, _ := w.Children(path + "/" + name)
		for _, keeper := range keepers {
			require.NoError(w.t, w.Delete(path+"/"+name+"/"+keeper))
		}
		require.NoError(w.t, w.Delete(path+"/"+name))
	}
}

// remove deletes the value with all that is below it.
func (w *world) remove() {
	w.t.Helper()
	w.clear()
	require.NoError(w.t, w.Delete(path))
}

// onceOn gives the first frame that matches its verdict, when f has run.
func (w *world) onceOn(stage zktest.Stage, op zktest.Op, verdict zktest.Verdict, f func()) (done *bool) {
	done = new(bool)
	w.OnFrame(func(fr zktest.Frame) zktest.Verdict {
		if *done || fr.Stage != stage || fr.Op != op || fr.Err != 0 {
			return zktest.Pass
		}
		*done = true
		f()
		return verdict
	})
	w.t.Cleanup(func() { require.True(w.t, *done, "the frame did not come: the test tests nothing") })
	return done
}

func nothing() {}

// be32 and be64 are Curator's formats.
func be32(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func be64(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// next is the next state that a follower is given, in a bubble.
func next[T any](t *testing.T, c *counter.Changes[T]) counter.Versioned[T] {
	t.Helper()
	select {
	case s, open := <-c.C:
		require.True(t, open, "closed: %v", c.Err())
		return s
	case <-time.After(time.Minute):
		t.Fatal("no state comes")
		panic("unreachable")
	}
}

// none checks that no state is there, in a bubble.
func none[T any](t *testing.T, c *counter.Changes[T]) {
	t.Helper()
	time.Sleep(time.Second)
	select {
	case s, open := <-c.C:
		t.Fatalf("a state: %v, %v, %v", s, open, c.Err())
	default:
	}
}
