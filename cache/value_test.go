package cache_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// app is a configuration.
type app struct {
	Limit int
	Name  string
}

// openValue opens a Value until the end of the test.
func openValue[T any](w *world, cli *framework.Client, path string, codec cache.Codec[T], opts ...cache.ValueOption) *cache.Value[T] {
	w.t.Helper()
	v, err := cache.OpenValue(w.t.Context(), cli, path, codec, opts...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, v.Close()) })
	return v
}

// alone is bubble for a cache of one node, which has one way to watch it.
func alone(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	once(t, zktest.Config{}, nil, f)
}

func TestAValueFollowsItsNode(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/conf/app", `{"Limit": 1}`)
		cli := w.Connect("c")
		v := openValue(w, cli, "/conf/app", cache.JSON[app]())
		assert.Equal(t, app{Limit: 1}, v.Load())
		assert.Equal(t, "/conf/app", v.Path())
		assert.NoError(t, v.Err())
		w.set("/conf/app", `{"Limit": 2, "Name": "b"}`)
		time.Sleep(time.Second)
		assert.Equal(t, app{2, "b"}, v.Load())
		w.expire("c", cli, func() { w.set("/conf/app", `{"Limit": 3}`) })
		assert.Equal(t, app{Limit: 3}, v.Load())
		r := v.Read()
		assert.Equal(t, "/conf/app", r.Node.Path)
		assert.EqualValues(t, 2, r.Node.Stat.Version)
		fresh, err := v.Fresh()
		require.NoError(t, err)
		assert.Equal(t, app{Limit: 3}, fresh)
		heal := w.Disconnect("c")
		time.Sleep(10 * time.Minute)
		assert.Equal(t, app{Limit: 3}, v.Load(), "served on")
		assert.NoError(t, v.Err(), "old, but what the node was")
		assert.False(t, v.StaleSince().IsZero())
		_, err = v.Fresh()
		require.ErrorIs(t, err, cache.ErrStale)
		heal()
		require.NoError(t, v.WaitFresh(t.Context()))
	})
}

// A bad update keeps the last good value.
func TestABadUpdate(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/app", `{"Limit": 1}`)
		v := openValue(w, w.Connect("c"), "/app", cache.JSON[app]())
		for i, bad := range []string{`{"Limit": `, "", `{"Limit": "many"}`, `{"Limit": 2} trailing`} {
			w.set("/app", bad)
			time.Sleep(time.Second)
			r := v.Read()
			assert.Equal(t, app{Limit: 1}, r.Value, bad)
			require.ErrorContains(t, r.Err, "data of /app")
			assert.Equal(t, i+1, r.Rejected)
			assert.EqualValues(t, 0, r.Node.Stat.Version, "of the value, not of what is there")
			_, err := v.Fresh()
			require.Error(t, err)
		}
		w.set("/app", `{"Limit": 2}`)
		time.Sleep(time.Second)
		assert.Equal(t, app{Limit: 2}, v.Load())
		assert.NoError(t, v.Err())
		assert.Equal(t, 4, v.Read().Rejected)
		require.NoError(t, w.Delete("/app"))
		time.Sleep(time.Second)
		assert.Equal(t, app{Limit: 2}, v.Load(), "without a default the last one stays")
		require.ErrorIs(t, v.Err(), framework.ErrNoNode)
	})
}

func TestAValueThatCannotBeOpened(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/bad", "{")
		cli := w.Connect("c")
		_, err := cache.OpenValue(t.Context(), cli, "/none", cache.JSON[app]())
		require.ErrorIs(t, err, framework.ErrNoNode)
		require.ErrorContains(t, err, "/none")
		_, err = cache.OpenValue(t.Context(), cli, "/bad", cache.JSON[app]())
		require.ErrorContains(t, err, "data of /bad, version 0")
		assert.Empty(t, cli.Recipes())

		v := openValue(w, cli, "/none", cache.Text(), cache.NoWait())
		require.ErrorIs(t, v.Err(), cache.ErrNotLoaded)
		assert.Empty(t, v.Load())
		<-v.Synced()
		require.ErrorIs(t, v.Err(), framework.ErrNoNode)
		w.Put("/none", "now")
		require.NoError(t, v.Sync(t.Context()))
		assert.Equal(t, "now", v.Load())
		assert.Equal(t, framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild, OnReadOnly: framework.Serve}, v.Policy())
	})
}

func TestADefault(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		cli := w.Connect("c")
		v, err := cache.OpenValueOr(t.Context(), cli, "/app", cache.Text(), "default", cache.Gunzip(), cache.DefaultOnDelete())
		require.NoError(t, err)
		defer v.Close()
		assert.Equal(t, "default", v.Load())
		assert.NoError(t, v.Err())
		w.Put("/app", packed([]byte("text")))
		time.Sleep(time.Second)
		assert.Equal(t, "text", v.Load())
		w.set("/app", "not packed")
		time.Sleep(time.Second)
		assert.Equal(t, "text", v.Load())
		require.ErrorIs(t, v.Err(), cache.ErrNotGzip)
		assert.Equal(t, 1, v.Read().Rejected)
		w.raze("/app")
		time.Sleep(time.Second)
		assert.Equal(t, "default", v.Load())
		assert.NoError(t, v.Err())
		assert.Empty(t, v.Read().Node.Path)
	})
}

func TestChanges(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/app", "0")
		v := openValue(w, w.Connect("c"), "/app", cache.Text())
		ctx, cancel := context.WithCancel(t.Context())
		changes := v.Changes(ctx)
		assert.Equal(t, "0", (<-changes).Value, "the present one first")
		w.set("/app", "1")
		assert.Equal(t, "1", (<-changes).Value)
		for _, data := range []string{"2", "3", "4", "5"} {
			w.set("/app", data)
			time.Sleep(time.Second)
		}
		assert.Equal(t, "2", (<-changes).Value, "it was on its way")
		assert.Equal(t, "5", (<-changes).Value, "the last one, and none in between")
		w.raze("/app")
		gone := <-changes
		require.ErrorIs(t, gone.Err, framework.ErrNoNode)
		assert.Equal(t, "5", gone.Value)
		cancel()
		_, open := <-changes
		assert.False(t, open)
		require.NoError(t, v.Close())
		_, open = <-v.Changes(t.Context())
		assert.False(t, open)
		assert.Equal(t, "5", v.Load())
	})
}

// The codec is called once for each state of the node, whatever happens to the connection.
func TestTheCodecIsCalledOnce(t *testing.T) {
	alone(t, func(t *testing.T, w *world) {
		w.Put("/app", "0")
		cli := w.Connect("c")
		calls := 0
		v := openValue(w, cli, "/app", func(data []byte) (int, error) {
			calls++
			return len(data), errors.Join(nil)
		})
		w.away("c", func() {})
		w.expire("c", cli, func() {})
		w.Put("/app/child", "")
		time.Sleep(time.Second)
		require.NoError(t, v.Sync(t.Context()))
		synctest.Wait()
		assert.Equal(t, 1, calls)
		w.set("/app", "12")
		require.NoError(t, v.Sync(t.Context()))
		assert.Equal(t, 2, v.Load())
	})
}

func TestCodecs(t *testing.T) {
	data := []byte("text")
	b, err := cache.Bytes()(data)
	require.NoError(t, err)
	assert.Equal(t, data, b)
	data[0] = 'n'
	assert.Equal(t, "text", string(b), "a copy")
	s, err := cache.Text()(nil)
	require.NoError(t, err)
	assert.Empty(t, s)
}
