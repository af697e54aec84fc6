package counter_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// bytesAt is a state of a Value.
func bytesAt(version int32, data string) counter.Versioned[[]byte] {
	return counter.Versioned[[]byte]{Value: []byte(data), Version: version}
}

func TestValueThatDoesNotExist(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		seeded, bare := counter.NewValue(cli, path, counter.WithSeed([]byte("seed"))), counter.NewValue(cli, "/bare")
		got, err := seeded.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, bytesAt(counter.NoVersion, "seed"), got)
		got, err = bare.Get(t.Context())
		require.NoError(t, err)
		assert.Equal(t, bytesAt(counter.NoVersion, ""), got)
		assert.False(t, w.Exists(path) || w.Exists("/bare"), "reading creates nothing")

		var seen []string
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 && f.Err == 0 {
				data, stat, err := w.Get(path)
				if err == nil && stat.Version == 0 {
					seen = append(seen, string(data))
				}
			}
			return zktest.Pass
		})
		done, err := seeded.Update(t.Context(), func(old []byte) ([]byte, error) { return append(old, "ling"...), nil })
		require.NoError(t, err)
		assert.Equal(t, bytesAt(1, "seedling"), done)
		assert.Equal(t, "seed", seen[0], "nobody meets an empty node")
		require.NoError(t, bare.Set(t.Context(), []byte("x")))
		assert.Equal(t, "x", string(w.data("/bare")))
		assert.Equal(t, zktest.Persistent, w.Dump()[path].Mode)
	})
}

func TestNullAndEmptyData(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for path, data := range map[string][]byte{"/null": nil, "/empty": {}} {
			w.raise(path, data)
			v := counter.NewValue(cli, path, counter.WithSeed([]byte("seed")))
			got, err := v.Get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, bytesAt(0, ""), got, "there is a node: the seed is of no interest")
			_, err = v.Update(t.Context(), func(old []byte) ([]byte, error) {
				assert.NotNil(t, old)
				return nil, nil
			})
			require.NoError(t, err)
			assert.Equal(t, []byte{}, w.data(path), "null is never written")
		}
	})
}

func TestCompareAndSet(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for name, opts := range map[string][]counter.ValueOption{"exact": nil, "plain": {counter.WithoutReceipt}} {
			at := "/" + name
			v := counter.NewValue(w.Connect(name), at, opts...)
			_, err := v.CompareAndSet(t.Context(), 0, []byte("x"))
			require.ErrorIs(t, err, framework.ErrBadVersion, "no node")
			version, err := v.CompareAndSet(t.Context(), counter.NoVersion, []byte("one"))
			require.NoError(t, err)
			assert.Zero(t, version)
			_, err = v.CompareAndSet(t.Context(), counter.NoVersion, []byte("x"))
			require.ErrorIs(t, err, framework.ErrBadVersion)
			version, err = v.CompareAndSet(t.Context(), 0, []byte("two"))
			require.NoError(t, err)
			assert.EqualValues(t, 1, version)
			for _, stale := range []int32{0, 2, counter.NoVersion} {
				_, err = v.CompareAndSet(t.Context(), stale, []byte("x"))
				require.ErrorIs(t, err, framework.ErrBadVersion, stale)
				require.ErrorContains(t, err, at)
			}
			got, err := v.Get(t.Context())
			require.NoError(t, err)
			assert.Equal(t, bytesAt(1, "two"), got)
		}
	})
}

func TestUpdateRetriesUntilItIsFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, []byte("0"))
		v := counter.NewValue(w.Connect("a"), path)
		calls := 0
		done, err := v.Update(t.Context(), func(old []byte) ([]byte, error) {
			if calls++; calls <= 3 {
				require.NoError(t, w.Set(path, append(old, '+')))
			}
			return append(old, '!'), nil
		})
		require.NoError(t, err)
		assert.Equal(t, bytesAt(4, "0+++!"), done)
		assert.Equal(t, 4, calls)
	})
}

func TestUpdateIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, []byte("0"))
		v := counter.NewValue(w.Connect("a"), path)
		mine := errors.New("mine")
		_, err := v.Update(t.Context(), func([]byte) ([]byte, error) { return nil, mine })
		assert.Equal(t, mine, err, "as it is")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		at, calls := time.Now(), 0
		_, err = v.Update(ctx, func(old []byte) ([]byte, error) {
			calls++
			return nil, w.Set(path, []byte("theirs"))
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, framework.ErrBadVersion, "that is how the last try ended, not the call")
		assert.Equal(t, time.Minute, time.Since(at))
		assert.Greater(t, calls, 300, "at least every 200 ms")
		assert.Less(t, calls, 1500, "with pauses")
		assert.Equal(t, "theirs", string(w.data(path)))
	})
}

// Writes of one process take turns: they cost what they would cost alone.
func TestWritesOfOneProcessDoNotMeet(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		v := counter.NewValue(w.Connect("a"), path)
		require.NoError(t, v.Set(t.Context(), nil))
		before := w.Counts()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := v.Update(t.Context(), func(old []byte) ([]byte, error) { return append(old, '.'), nil })
				assert.NoError(t, err)
			})
		}
		all.Wait()
		assert.Equal(t, strings.Repeat(".", 50), string(w.data(path)))
		assert.Equal(t, map[zktest.Op]int64{zktest.OpGetData: 50, zktest.OpMulti: 50}, w.Counts().Sub(before).Requests)
	})
}

func TestWaitForTheTurnIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		v := counter.NewValue(w.Connect("a"), path)
		_, err := v.Update(t.Context(), func([]byte) ([]byte, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := v.Set(ctx, nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, path)
			return nil, nil
		})
		require.NoError(t, err)
		assert.Panics(t, func() {
			_, _ = v.Update(t.Context(), func([]byte) ([]byte, error) { panic("mine") })
		})
		require.NoError(t, v.Set(t.Context(), nil), "a panic gives the turn back")
	})
}

func TestCosts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, be32(0))
		cli := w.Connect("a")
		type requests = map[zktest.Op]int64
		v, i := counter.NewValue(cli, path), counter.NewInt(cli, path)
		cost := func(f func() error) requests {
			before := w.Counts()
			require.NoError(t, f())
			return w.Counts().Sub(before).Requests
		}
		set := func() error { return v.Set(t.Context(), be32(0)) }
		add := func() error { _, err := i.Add(t.Context(), 1); return err }
		first := requests{zktest.OpGetData: 1, zktest.OpCreateContainer: 1, zktest.OpCreate2: 1, zktest.OpMulti: 1}
		assert.Equal(t, first, cost(set))
		assert.Equal(t, first, cost(add))
		for range 3 {
			assert.Equal(t, requests{zktest.OpGetData: 1, zktest.OpMulti: 1}, cost(set))
			assert.Equal(t, requests{zktest.OpGetData: 1, zktest.OpMulti: 1}, cost(add))
			version := w.version(path)
			assert.Equal(t, requests{zktest.OpMulti: 1}, cost(func() error {
				_, err := v.CompareAndSet(t.Context(), version, be32(0))
				return err
			}))
			assert.Equal(t, requests{zktest.OpGetData: 1, zktest.OpMulti: 1}, cost(func() error {
				_, err := i.CompareAndSet(t.Context(), version+1, 0)
				return err
			}))
			assert.Equal(t, requests{zktest.OpGetData: 1}, cost(func() error { _, err := v.Get(t.Context()); return err }))
		}
		w.LoseSession("a")
		assert.Equal(t, requests{zktest.OpGetData: 1, zktest.OpCreate2: 1, zktest.OpMulti: 1}, cost(add), "a new session")
		w.LoseReply(zktest.OpMulti, 1)
		assert.Equal(t, requests{zktest.OpConnect: 1, zktest.OpSync: 1, zktest.OpGetData: 2, zktest.OpMulti: 1, zktest.OpSetData: 1}, cost(add), "an answer lost")
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Cut, nothing)
		assert.Equal(t, requests{zktest.OpConnect: 1, zktest.OpGetData: 2, zktest.OpMulti: 1, zktest.OpSetData: 1}, cost(add), "a request lost")

		plain := counter.NewInt(cli, path, counter.WithoutReceipt)
		before := len(w.List(path))
		assert.Equal(t, requests{zktest.OpGetData: 1, zktest.OpSetData: 1}, cost(func() error {
			_, err := plain.Add(t.Context(), 1)
			return err
		}))
		assert.Len(t, w.List(path), before)
		missing := counter.NewInt(cli, "/missing")
		assert.Equal(t, requests{zktest.OpGetData: 2, zktest.OpCreate2: 2, zktest.OpCreateContainer: 1, zktest.OpMulti: 1}, cost(func() error {
			_, err := missing.Add(t.Context(), 1)
			return err
		}))
	})
}

func TestErrorsOfTheServers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		owner := w.Connect("owner", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("me:s3cr3t")}}
		})
		readWrite := []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1 | 2}}
		_, err := owner.Create(t.Context(), "/mine", nil, framework.WithACL(framework.CreatorACL()))
		require.NoError(t, err)
		_, err = owner.Create(t.Context(), "/shared", be32(1), framework.WithACL(readWrite))
		require.NoError(t, err)
		_, err = owner.Create(t.Context(), "/passing", be32(1), framework.Ephemeral)
		require.NoError(t, err)
		cli := w.Connect("a")
		_, err = counter.NewInt(cli, "/mine").Get(t.Context())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		_, err = counter.NewInt(cli, "/mine/new").Add(t.Context(), 1)
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		c := counter.NewInt(cli, "/mine").Changes(t.Context())
		_, open := <-c.C
		assert.False(t, open)
		assert.ErrorIs(t, c.Err(), framework.ErrNoAuth)
		for at, want := range map[string]error{"/shared": framework.ErrNoAuth, "/passing": framework.ErrNoChildrenForEphemerals} {
			_, err = counter.NewInt(cli, at).Add(t.Context(), 1)
			assert.ErrorIs(t, err, want)
			assert.ErrorContains(t, err, "WithoutReceipt")
			sum, err := counter.NewInt(cli, at, counter.WithoutReceipt).Add(t.Context(), 1)
			require.NoError(t, err)
			assert.EqualValues(t, 2, sum)
		}
		readOnly := w.Connect("b", func(c *framework.Config) {
			c.ACL = []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1 | 4}} // of its receipts
		})
		w.raise("/open", be32(1))
		_, err = counter.NewInt(readOnly, "/open").Add(t.Context(), 1)
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		assert.Zero(t, w.version("/open"))
		_, err = counter.NewValue(cli, "/a//b").Get(t.Context())
		assert.ErrorIs(t, err, framework.ErrInvalidPath)
		assert.ErrorIs(t, counter.NewValue(cli, "/a//b").Set(t.Context(), nil), framework.ErrInvalidPath)
	})
}
