package zktest_test

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

const sweep = 50 * time.Millisecond

// scriptContainers is not part of the conformance suite because the server has to be set up for it: the background sweep
// uses transactions, too.
func scriptContainers(s *script) {
	s.blurred = true // a sweep that comes too early tries in vain, and uses a zxid
	a := s.client("a")
	a.quiet = true
	next := func() {
		b := a.read()
		d := jute.NewDecoder(b)
		var h jute.ReplyHeader
		var ev jute.WatcherEvent
		h.Decode(d)
		ev.Decode(d)
		s.printf("event xid=%d %v %s", h.Xid, zktest.EventType(ev.Type), ev.Path)
	}
	box := func(path string, flags int32) {
		a.call(zktest.OpCreateContainer, fmt.Sprint(path, flags), creating(path, "", flags), both(showPath, showStat))
	}
	a.create("/cont", "", 0)
	box("/cont/never", 4)
	box("/cont/used", 4)
	a.create("/cont/used/k", "", 0)
	a.exists("/cont/used", true)
	a.children("/cont/used", true)
	a.children("/cont", true)
	a.del("/cont/used/k", -1)
	next()
	next()
	s.note("a container in a container: the inner one goes first")
	box("/cont/outer", 4)
	box("/cont/outer/inner", 4)
	a.create("/cont/outer/inner/k", "", 0)
	a.exists("/cont/outer/inner", true)
	a.exists("/cont/outer", true)
	a.del("/cont/outer/inner/k", -1)
	next()
	next()
	s.note("a TTL node that has children stays until they have gone")
	a.call(zktest.OpCreateTTL, "", &jute.CreateTTLRequest{CreateRequest: *creating("/cont/ttl", "", 5), TTL: 1500}, both(showPath, showStat))
	a.create("/cont/ttl/k", "", 0)
	a.exists("/cont/ttl", true)
	a.set("/cont/ttl/k", "does not count", -1)
	a.del("/cont/ttl/k", -1)
	next()
	s.note("a set makes it young again")
	a.call(zktest.OpCreateTTL, "", &jute.CreateTTLRequest{CreateRequest: *creating("/cont/t", "", 6), TTL: 2000}, both(showPath, showStat))
	a.set("/cont/t0000000004", "x", -1)
	a.exists("/cont/t0000000004", true)
	next()
	s.note("the opcode makes a container, and not the flags; but in a multi, the flags do")
	used := func(path string) {
		a.exists(path, true)
		a.create(path+"/k", "", 0)
		a.del(path+"/k", -1)
	}
	for flags := range int32(4) {
		box("/cont/by19-", flags)
		path := "/cont/by19-"
		if flags >= 2 {
			path += fmt.Sprintf("%010d", 5+flags)
		}
		used(path)
		next()
	}
	a.multi(zktest.OpMulti, "", multiItem(zktest.OpCreate, creating("/cont/multi1", "", 4)))
	used("/cont/multi1")
	next()
	a.multi(zktest.OpMulti, "", multiItem(zktest.OpCreate2, creating("/cont/multi15", "", 4)))
	used("/cont/multi15")
	next()
	a.multi(zktest.OpMulti, "", multiItem(zktest.OpCreateContainer, creating("/cont/multi19", "", 0)))
	used("/cont/multi19")
	a.create("/cont/by15", "", 4)
	used("/cont/by15")
	a.call(zktest.OpCreate, "flags 4", creating("/cont/by1", "", 4), showPath)
	used("/cont/by1")
	s.note("by now two sweeps have passed over what is left")
	box("/cont/last", 4)
	used("/cont/last")
	next()
	box("/cont/last", 4)
	used("/cont/last")
	next()
	a.children("/cont", false)
}

func TestContainersAndTTL(t *testing.T) {
	want, err := os.ReadFile("testdata/containers.txt")
	require.NoError(t, err)
	inBubble(t, zktest.Config{ContainerCheckInterval: sweep}, func(w *world) {
		sameLines(w.T, string(want), run(w.T, memoryTarget(w.srv), scriptContainers))
	})
	t.Run("tcp", func(t *testing.T) {
		t.Parallel()
		srv, err := zktest.Start(zktest.Config{ContainerCheckInterval: sweep})
		require.NoError(t, err)
		defer srv.Close()
		sameLines(t, string(want), run(t, memoryTarget(srv), scriptContainers))
	})
}

func TestContainersReal(t *testing.T) {
	t.Parallel()
	s := realzk.Standalone(t, realzk.Options{ContainerCheckInterval: sweep})
	lines := run(t, target{patience: 30 * time.Second,
		dial: func(string) (net.Conn, error) { return net.Dial("tcp", s.Addr()) }}, scriptContainers)
	if *update {
		require.NoError(t, os.WriteFile("testdata/containers.txt", []byte(lines), 0o644))
	}
	want, err := os.ReadFile("testdata/containers.txt")
	require.NoError(t, err)
	sameLines(t, string(want), lines)
}

func TestSweepsComeAtTheirInterval(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		start := time.Now()
		a := w.joinAt("a", 0, time.Hour)
		require.Zero(w, w.ask(a, zktest.OpCreateContainer, creating("/c", "", 4)))
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/c/k", "", 0)))
		require.Zero(w, w.ask(a, zktest.OpDelete, deleting("/c/k", -1)))
		time.Sleep(59 * time.Second)
		require.True(w, w.srv.Exists("/c"))
		time.Sleep(time.Second)
		require.False(w, w.srv.Exists("/c"), "after a minute, by default")

		require.Zero(w, w.ask(a, zktest.OpCreateTTL, &jute.CreateTTLRequest{CreateRequest: *creating("/t", "", 5), TTL: 90_000}))
		time.Sleep(time.Until(start.Add(3*time.Minute - time.Second)))
		require.True(w, w.srv.Exists("/t"))
		w.srv.Pause()
		time.Sleep(10 * time.Second)
		require.True(w, w.srv.Exists("/t"))
		w.srv.Resume()
		time.Sleep(time.Millisecond)
		require.False(w, w.srv.Exists("/t"), "the sweep is made up for")
	})
}

func TestATTLCountsFromTheLastSet(t *testing.T) {
	inBubble(t, zktest.Config{ContainerCheckInterval: time.Second}, func(w *world) {
		a := w.joinAt("a", 0, time.Hour)
		require.Zero(w, w.ask(a, zktest.OpCreateTTL, &jute.CreateTTLRequest{CreateRequest: *creating("/t", "", 5), TTL: 10_000}))
		require.Equal(w, 10*time.Second, w.srv.Dump()["/t"].TTL)
		time.Sleep(8 * time.Second)
		require.NoError(w, w.srv.Set("/t", nil))
		time.Sleep(8 * time.Second)
		require.True(w, w.srv.Exists("/t"))
		time.Sleep(4 * time.Second)
		require.False(w, w.srv.Exists("/t"))
	})
}

func TestSweepOfMany(t *testing.T) {
	inBubble(t, zktest.Config{ContainerCheckInterval: sweep}, func(w *world) {
		for i := range 200 {
			path := fmt.Sprintf("/c%03d", i)
			_, err := w.srv.Create(path, nil, zktest.Container)
			require.NoError(w, err)
			_, err = w.srv.Create(path+"/k", nil, zktest.Persistent)
			require.NoError(w, err)
			require.NoError(w, w.srv.Delete(path+"/k"))
		}
		time.Sleep(2 * sweep)
		require.Len(w, w.srv.Dump(), 1)
		require.EqualValues(w, 800, w.srv.Zxid())
	})
}
