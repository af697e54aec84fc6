package framework_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// What a client costs that does nothing but keep its session, with what the server in this process spends on it.
func TestIdleClientIsCheap(t *testing.T) {
	const (
		clients       = 50
		mostHeap      = 80 << 10 // a half more than it takes, the server's side and the race detector included
		mostGoroutine = 8        // supervisor, driver (3), server's side of the connection (2), and two to spare
	)
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	_, err = s.Create("/node", nil, zktest.Persistent)
	require.NoError(t, err)
	heap, goroutines := usage()
	var all []*framework.Client
	for range clients {
		cli := clientOf(t, framework.Config{ConnectString: s.ConnectString()})
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		w.Stop()
		all = append(all, cli)
	}
	s.Cut(zktest.AllConns()) // what a connection starts with, the next one does as well
	for _, cli := range all {
		_, err := cli.Get(t.Context(), "/node")
		require.NoError(t, err)
	}
	heapNow, goroutinesNow := usage()
	tooMuch := func() bool {
		return goroutinesNow-goroutines > mostGoroutine*clients || heapNow-heap >= mostHeap*clients
	}
	for ctx := within(t, 20*time.Second); tooMuch() && ctx.Err() == nil; { // connections that were cut end a moment later
		heapNow, goroutinesNow = usage()
	}
	perHeap, perGoroutines := (heapNow-heap)/clients, (goroutinesNow-goroutines)/clients
	t.Logf("%d KiB of heap and %d goroutines per idle client", perHeap>>10, perGoroutines)
	assert.Less(t, perHeap, mostHeap)
	assert.LessOrEqual(t, perGoroutines, mostGoroutine)
}

func usage() (heap, goroutines int) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc), runtime.NumGoroutine()
}
