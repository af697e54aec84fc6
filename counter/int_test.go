package counter_test

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
)

func TestFormats(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		short, long := counter.NewInt(cli, "/short"), counter.NewInt(cli, "/long", counter.Long)
		for _, n := range []int64{258, -2, 0, math.MaxInt32, math.MinInt32} {
			require.NoError(t, short.Set(t.Context(), n))
			assert.Equal(t, be32(int32(n)), w.data("/short"))
			got, err := short.Get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, n, got.Value)
			assert.Equal(t, w.version("/short"), got.Version)
		}
		for _, n := range []int64{258, -2, 0, math.MaxInt64, math.MinInt64} {
			require.NoError(t, long.Set(t.Context(), n))
			assert.Equal(t, be64(n), w.data("/long"))
			got, err := long.Get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, n, got.Value)
		}
		assert.Equal(t, "\x00\x00\x01\x02", string(be32(258)))
	})
}

func TestAdd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		i := counter.NewInt(w.Connect("a"), path)
		got, err := i.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, counter.Versioned[int64]{Version: counter.NoVersion}, got)
		var sum int64
		for _, delta := range []int64{1, 41, -50, 0} {
			sum += delta
			got, err := i.Add(t.Context(), delta)
			require.NoError(t, err)
			assert.Equal(t, sum, got)
		}
		assert.Equal(t, be32(-8), w.data(path))
		version, err := i.CompareAndSet(t.Context(), w.version(path), 7)
		require.NoError(t, err)
		assert.Equal(t, w.version(path), version)
		_, err = i.CompareAndSet(t.Context(), version-1, 8)
		require.ErrorIs(t, err, framework.ErrBadVersion)
		_, err = counter.NewInt(w.Connect("b"), "/new").CompareAndSet(t.Context(), 0, 8)
		require.ErrorIs(t, err, framework.ErrBadVersion)
		version, err = counter.NewInt(w.Connect("c"), "/new", counter.Long).CompareAndSet(t.Context(), counter.NoVersion, 8)
		require.NoError(t, err)
		assert.Zero(t, version)
		assert.Equal(t, be64(8), w.data("/new"))
	})
}

func TestAddOfManyProcesses(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		seen := make(chan int64, 200)
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			i := counter.NewInt(w.Connect(name), path)
			for range 2 {
				all.Go(func() {
					for range 20 {
						sum, err := i.Add(t.Context(), 1)
						assert.NoError(t, err)
						seen <- sum
					}
				})
			}
		}
		all.Wait()
		assert.Equal(t, be32(200), w.data(path))
		distinct := map[int64]bool{}
		for range 200 {
			distinct[<-seen] = true
		}
		assert.Len(t, distinct, 200, "each sum is somebody's own")
	})
}

func TestNullAndEmptyDataIsZero(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for at, data := range map[string][]byte{"/null": nil, "/empty": {}} {
			w.raise(at, data)
			got, err := counter.NewInt(cli, at).Get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, counter.Versioned[int64]{}, got)
			sum, err := counter.NewInt(cli, at).Add(t.Context(), 3)
			require.NoError(t, err)
			assert.EqualValues(t, 3, sum)
			assert.Equal(t, be32(3), w.data(at))
		}
	})
}

// SharedCount cannot read an empty node: it must never meet one.
func TestNodeIsCreatedAsZero(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for want, i := range map[string]*counter.Int{
			string(be32(0)): counter.NewInt(cli, "/short"),
			string(be64(0)): counter.NewInt(cli, "/long", counter.Long),
		} {
			at := map[int]string{4: "/short", 8: "/long"}[len(want)]
			watcher := counter.NewValue(w.Connect(at[1:]), at).Changes(t.Context())
			next(t, watcher)
			_, err := i.Add(t.Context(), 5)
			require.NoError(t, err)
			for {
				s := next(t, watcher)
				assert.Len(t, s.Value, len(want))
				if s.Version > 0 {
					break
				}
				assert.Equal(t, want, string(s.Value))
			}
		}
	})
}

func TestAnotherWidthIsNotTouched(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for at, c := range map[string]struct {
			data []byte
			i    *counter.Int
		}{
			"/long":  {be64(1), counter.NewInt(cli, "/long")},
			"/short": {be32(1), counter.NewInt(cli, "/short", counter.Long)},
			"/text":  {[]byte("258"), counter.NewInt(cli, "/text")},
			"/addr":  {[]byte("127.0.0.1"), counter.NewInt(cli, "/addr", counter.Long)},
		} {
			w.raise(at, c.data)
			_, get := c.i.Get(t.Context())
			_, add := c.i.Add(t.Context(), 1)
			_, cas := c.i.CompareAndSet(t.Context(), 0, 1)
			changes := c.i.Changes(t.Context())
			_, open := <-changes.C
			assert.False(t, open)
			for _, err := range []error{get, add, cas, c.i.Set(t.Context(), 1), changes.Err()} {
				assert.ErrorIs(t, err, counter.ErrWidth)
				assert.ErrorContains(t, err, at)
			}
			assert.Equal(t, c.data, w.data(at))
			assert.Zero(t, w.version(at))
		}
	})
}

func TestOverflow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for at, c := range map[string]struct {
			i        *counter.Int
			low, top int64
		}{
			"/short": {counter.NewInt(cli, "/short"), math.MinInt32, math.MaxInt32},
			"/long":  {counter.NewInt(cli, "/long", counter.Long), math.MinInt64, math.MaxInt64},
		} {
			for edge, steps := range map[int64][]int64{c.top: {1, math.MaxInt64}, c.low: {-1, math.MinInt64}} {
				require.NoError(t, c.i.Set(t.Context(), edge))
				version := w.version(at)
				for _, delta := range steps {
					_, err := c.i.Add(t.Context(), delta)
					assert.ErrorIs(t, err, counter.ErrOverflow)
					assert.ErrorContains(t, err, at)
				}
				assert.Equal(t, version, w.version(at))
				back, err := c.i.Add(t.Context(), -steps[0])
				require.NoError(t, err)
				assert.Equal(t, edge-steps[0], back)
			}
		}
		short := counter.NewInt(cli, "/short")
		assert.ErrorIs(t, short.Set(t.Context(), math.MaxInt32+1), counter.ErrOverflow)
		_, err := short.CompareAndSet(t.Context(), 0, math.MinInt32-1)
		assert.ErrorIs(t, err, counter.ErrOverflow)
	})
}
