package zktest_test

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

func TestThrottleLetsALongReplyTrickle(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		require.NoError(w, w.srv.Set("/", make([]byte, 500_000)))
		heal := w.srv.Throttle(zktest.ClientConns("a"), 100_000)
		start := time.Now()
		a.post(zktest.OpGetData, root)
		a.post(zktest.OpExists, root)
		buf := make([]byte, 400_000)
		_, err := io.ReadFull(a.conn, buf[:10_000])
		require.NoError(w, err)
		require.InDelta(w, 0.1, time.Since(start).Seconds(), 0.06, "the first bytes do not wait for the last")
		_, err = io.ReadFull(a.conn, buf[:390_000])
		require.NoError(w, err)
		require.InDelta(w, 4.0, time.Since(start).Seconds(), 0.06)
		_, err = io.ReadFull(a.conn, buf[:100_000+4+16+4+68])
		require.NoError(w, err)
		require.InDelta(w, 5.0, time.Since(start).Seconds(), 0.06)
		_, _, err = a.answer()
		require.NoError(w, err, "behind it and in order")
		start = time.Now()
		require.Zero(w, w.ask(b, zktest.OpGetData, root))
		require.InDelta(w, 0.0, time.Since(start).Seconds(), 0.01, "somebody else's line")
		heal()
		require.Zero(w, w.ask(a, zktest.OpGetData, root))
		require.InDelta(w, 0.0, time.Since(start).Seconds(), 0.01)
	})
}

func TestThrottleHoldsRequestsBack(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		defer w.srv.Throttle(zktest.AllConns(), 50_000)()
		start := time.Now()
		a.post(zktest.OpSync, &jute.PathRequest{Path: "/" + string(make([]byte, 100_000))})
		_, _, err := a.answer()
		require.NoError(w, err)
		require.InDelta(w, 4.0, time.Since(start).Seconds(), 0.06, "there and back")
	})
}

func TestThrottleOverTCP(t *testing.T) {
	onTCP(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		require.NoError(w, w.srv.Set("/", make([]byte, 20_000)))
		defer w.srv.Throttle(zktest.AllConns(), 200_000)()
		start := time.Now()
		require.Zero(w, w.ask(a, zktest.OpGetData, root))
		require.GreaterOrEqual(w, time.Since(start), 100*time.Millisecond)
	})
}

func TestThrottleMustBePositive(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		require.Panics(w, func() { w.srv.Throttle(zktest.AllConns(), 0) })
	})
}

// longRequest is a sync of so many bytes, and a few more.
func longRequest(size int) []byte {
	return frame(&jute.RequestHeader{Xid: 1, Op: int32(zktest.OpSync)}, &jute.PathRequest{Path: "/" + string(make([]byte, size))})
}

func TestServerThatDoesNotReadHoldsUpItsWriters(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		heal := w.srv.StopReading(zktest.ClientConns("a"))
		require.NoError(w, a.conn.SetWriteDeadline(time.Now().Add(200*time.Millisecond)))
		long, written := longRequest(900_000), 0
		var err error
		for err == nil {
			var n int
			n, err = a.conn.Write(long)
			written += n
		}
		require.ErrorIs(w, err, os.ErrDeadlineExceeded)
		require.Positive(w, written)
		w.works(b)
		heal()
		require.NoError(w, a.conn.SetWriteDeadline(time.Time{}))
		_, err = a.conn.Write(long[written%len(long):])
		require.NoError(w, err)
		for range written/len(long) + 1 {
			_, _, err = a.answer()
			require.NoError(w, err, "what was taken in part is not lost")
		}
	})
}

func TestWriterWithoutAReaderIsReleased(t *testing.T) {
	for name, release := range map[string]func(w *world, a *raw){
		"closed": func(_ *world, a *raw) { _ = a.conn.Close() },
		"cut":    func(w *world, _ *raw) { w.srv.Cut(zktest.ClientConns("a")) },
		"server": func(w *world, _ *raw) { w.srv.Stop(0) },
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, zktest.Config{}, func(w *world) {
				a := w.join("a")
				w.srv.StopReading(zktest.AllConns())
				ended := make(chan error)
				go func(conn net.Conn) {
					for {
						if _, err := conn.Write(longRequest(900_000)); err != nil {
							ended <- err
							return
						}
					}
				}(a.conn)
				release(w, a)
				require.Error(w, <-ended)
			})
		})
	}
}
