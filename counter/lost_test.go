package counter_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// The connection is cut at each frame of the first Add, whose receipt is still to be made, in each way and with outages up to
// the loss of the session.
func TestCutAtEveryFrameOfAWrite(t *testing.T) {
	for _, how := range []zktest.Verdict{zktest.Cut, zktest.CutAfter} {
		for _, outage := range []time.Duration{0, 300 * time.Millisecond, 2500 * time.Millisecond, 3 * timeout} {
			frames := 1
			for at := 0; at < frames; at++ {
				t.Run(fmt.Sprint(how, " at ", at, " for ", outage), func(t *testing.T) {
					bubble(t, func(t *testing.T, w *world) { frames = cutAdd(t, w, at, how, outage) })
				})
			}
			assert.Greater(t, frames, 6, "a first write is three requests with their answers at least")
		}
	}
}

// cutAdd cuts at one frame of a first Add and returns how many there were.
func cutAdd(t *testing.T, w *world, at int, how zktest.Verdict, outage time.Duration) (frames int) {
	w.raise(path, be32(0))
	i := counter.NewInt(w.Connect("a"), path)
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Op == zktest.OpPing || f.Op == zktest.OpConnect {
			return zktest.Pass
		}
		frames++
		if frames-1 != at {
			return zktest.Pass
		}
		w.Refuse()
		time.AfterFunc(outage, func() { _ = w.Accept() })
		return how
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*timeout)
	defer cancel()
	sum, err := i.Add(ctx, 1)
	require.NoError(t, err)
	assert.EqualValues(t, 1, sum)
	n := frames
	assert.Equal(t, be32(1), w.data(path))
	assert.EqualValues(t, 1, w.version(path))
	sum, err = i.Add(ctx, 1)
	require.NoError(t, err)
	assert.EqualValues(t, 2, sum)
	return n
}

// lossy is a client of a real server whose answers can be lost.
type lossy struct {
	*framework.Client
	proxy *realzk.Proxy
	peer  *framework.Client // whose connection is well
}

func newLossy(t *testing.T) lossy {
	t.Helper()
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	return lossy{realClient(t, proxy.Addr()+space.Root()), proxy, realClient(t, space.ConnectString())}
}

// lose lets f write, which calls silence before, loses the answer once the servers have applied it, and returns what f does.
func (l lossy) lose(t *testing.T, f func(ctx context.Context, silence func()) error, applied func() bool) error {
	t.Helper()
	require.NoError(t, l.Sync(within(t), "/")) // so that the client knows what was before
	ctx, done := within(t), make(chan error, 1)
	silence := sync.OnceFunc(func() { l.proxy.Blackhole(realzk.ToClient) })
	go func() { done <- f(ctx, silence) }()
	require.Eventually(t, applied, time.Minute, 5*time.Millisecond)
	l.proxy.Cut()
	require.NoError(t, l.proxy.Heal())
	return <-done
}

// stat is what the servers have, behind a sync.
func (l lossy) stat(t *testing.T, path string) (framework.Stat, bool) {
	require.NoError(t, l.peer.Sync(within(t), path))
	stat, there, err := l.peer.Exists(within(t), path)
	require.NoError(t, err)
	return stat, there
}

// On a real server: an applied write whose answer is lost.
func TestRealLostAnswer(t *testing.T) {
	version := func(l lossy, path string, want int32) func() bool {
		return func() bool { stat, there := l.stat(t, path); return there && stat.Version == want }
	}
	create := func(t *testing.T, l lossy) {
		_, err := l.Create(within(t), path, be32(0), framework.Parents)
		require.NoError(t, err)
	}
	t.Run("set", func(t *testing.T) {
		l := newLossy(t)
		create(t, l)
		err := l.lose(t, func(ctx context.Context, silence func()) error {
			silence()
			_, err := l.Set(ctx, path, be32(1), framework.AnyVersion)
			return err
		}, version(l, path, 1))
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.True(t, version(l, path, 1)(), "once")
	})
	t.Run("delete", func(t *testing.T) {
		l := newLossy(t)
		create(t, l)
		require.NoError(t, l.lose(t, func(ctx context.Context, silence func()) error {
			silence()
			return l.Delete(ctx, path, framework.AnyVersion)
		}, func() bool { _, there := l.stat(t, path); return !there }))
	})
	for name, opts := range map[string][]counter.ValueOption{"update": nil, "update without receipt": {counter.WithoutReceipt}} {
		t.Run(name, func(t *testing.T) {
			l := newLossy(t)
			v := counter.NewValue(l.Client, path, opts...)
			require.NoError(t, v.Set(within(t), []byte("0")))
			var done counter.Versioned[[]byte]
			err := l.lose(t, func(ctx context.Context, silence func()) (err error) {
				done, err = v.Update(ctx, func(old []byte) ([]byte, error) {
					silence() // now that it was read
					return append(old, '+'), nil
				})
				return err
			}, version(l, path, 2))
			if opts == nil {
				require.NoError(t, err)
				assert.Equal(t, bytesAt(2, "0+"), done)
			} else {
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
			}
			got, err := counter.NewValue(l.peer, path).Get(within(t))
			require.NoError(t, err)
			assert.Equal(t, bytesAt(2, "0+"), got)
		})
	}
}
