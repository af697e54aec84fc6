package bench

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// BenchmarkRearm breaks the connection of a client with very many watches.
func BenchmarkRearm(b *testing.B) {
	const watches = 200_000
	onEach(b, func(b *testing.B, p place) {
		m := newMeter(b, p)
		before := heapInUse()
		watchAbsent(b, m, watches)
		heap := heapInUse() - before
		b.ResetTimer()
		b.ReportMetric(float64(heap)/watches, "heap-B/watch")
		for range b.N {
			sent, allocated := rearm(b, p, m, watches)
			b.ReportMetric(float64(sent)/1e6, "MB-sent")
			b.ReportMetric(float64(allocated)/1e6, "MB-allocated")
		}
	})
}

// watchAbsent watches nodes that do not exist.
func watchAbsent(tb testing.TB, m *meter, watches int) {
	tb.Helper()
	var watchers sync.WaitGroup
	const watching = 64
	errs := make(chan error, watching)
	for first := range watching {
		watchers.Go(func() {
			for i := first; i < watches; i += watching {
				if _, _, _, err := m.WatchExists(tb.Context(), watchedPath(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	watchers.Wait()
	close(errs)
	require.NoError(tb, <-errs)
}

func watchedPath(i int) string { return fmt.Sprintf("/absent-%08d", i) }

// rearm breaks the connection and waits until the server has all watches again. It returns how many bytes were sent and
// allocated for that.
func rearm(tb testing.TB, p place, m *meter, watches int) (sent int64, allocated uint64) {
	tb.Helper()
	least := int64(watches * (4 + len(p.root) + len(watchedPath(0))))
	used := score{side: func(int) (time.Duration, error) {
		begin := time.Now()
		cost := m.during(func() {
			before := m.now().sent
			m.cut()
			// The server has forgotten the watches of the last connection before it answers the handshake of the next.
			await(tb, func() bool { return m.now().sent-before >= least && armed(tb, p) >= watches })
		})
		sent = cost.sent
		return time.Since(begin), nil
	}}
	require.NoError(tb, used.take(1))
	return sent, used.bytes
}

// await polls the condition for a minute.
func await(tb testing.TB, condition func() bool) {
	tb.Helper()
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for limit := within(tb); !condition(); {
		select {
		case <-poll.C:
		case <-limit.Done():
			require.FailNow(tb, "it does not come to that")
		}
	}
}

// armed asks the server how many watches it has.
func armed(tb testing.TB, p place) (watches int) {
	tb.Helper()
	conn, err := net.Dial("tcp4", p.addr)
	require.NoError(tb, err)
	defer conn.Close()
	_, err = conn.Write([]byte("mntr"))
	require.NoError(tb, err)
	answer, err := io.ReadAll(conn)
	require.NoError(tb, err)
	for line := range strings.Lines(string(answer)) {
		if _, err := fmt.Sscanf(line, "zk_watch_count\t%d", &watches); err == nil {
			return watches
		}
	}
	require.FailNow(tb, "the server does not say", "%s", answer)
	return 0
}

func TestRearm(t *testing.T) {
	const watches = 5000 // 95 kB or more
	p := onZktest(t)
	m := newMeter(t, p)
	watchAbsent(t, m, watches)
	sent, _ := rearm(t, p, m, watches)
	assert.Less(t, sent, int64(2*watches*(4+len(watchedPath(0)))), "each is sent once")
	assert.Equal(t, watches, armed(t, p))
}
