package lock_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

func TestContendersOfALongQueueAreReadInFewRequests(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		for i := range 250 {
			srv.Put("/locks/x/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-"+number(i), "id "+strconv.Itoa(i))
		}
		before := srv.Counts()
		list, err := lock.New(srv.Connect("a"), "/locks/x").Contenders(t.Context())
		require.NoError(t, err)
		assert.Len(t, list, 1, "all nodes have one GUID: they are one place")
		assert.EqualValues(t, 1, srv.Counts().Sub(before).Requests[zktest.OpMultiRead])

		for i := range 250 {
			srv.Put("/locks/y/lock-"+number(i), "id "+strconv.Itoa(i))
		}
		before = srv.Counts()
		list, err = lock.New(srv.Connect("b"), "/locks/y").Contenders(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 250)
		assert.EqualValues(t, 3, srv.Counts().Sub(before).Requests[zktest.OpMultiRead])
		for i, c := range list {
			assert.Equal(t, []any{i + 1, i == 0, "id " + strconv.Itoa(i)}, []any{c.Position, c.Holds, string(c.Data)})
		}
	})
}

// number is a sequence number as servers write it.
func number(i int) string { return "0000000000"[len(strconv.Itoa(i)):] + strconv.Itoa(i) }

// Data that is too long for one reply is read node by node.
func TestContendersWithLongData(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		long := string(make([]byte, 400<<10))
		for i := range 4 {
			srv.Put("/locks/x/lock-"+number(i), long)
		}
		cli := srv.Connect("a", func(c *framework.Config) { c.MaxReplySize = 1 << 20 })
		list, err := lock.New(cli, "/locks/x").Contenders(t.Context())
		require.NoError(t, err)
		assert.Len(t, list, 4)
	})
}

func TestContendersOfASemaphoreHoldAsManyPermitsAsTheLimitAllows(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		ctx := t.Context()
		shared := lock.NewSharedSemaphore(srv.Connect("a"), "/jobs", "/limit")
		_, err := shared.Limit(ctx)
		require.ErrorIs(t, err, framework.ErrNoNode)
		require.NoError(t, shared.SetLimit(ctx, 2))
		limit, err := shared.Limit(ctx)
		require.NoError(t, err)
		assert.Equal(t, 2, limit)
		held, err := shared.Acquire(ctx, 2)
		require.NoError(t, err)
		waiting := lock.NewSharedSemaphore(srv.Connect("b"), "/jobs", "/limit", lock.WaitLimit(time.Minute))
		done := make(chan error, 1)
		go func() {
			bundle, err := waiting.Acquire(ctx, 1)
			if err == nil {
				err = bundle.Unlock(ctx)
			}
			done <- err
		}()
		time.Sleep(time.Second)
		list, err := waiting.Contenders(ctx)
		require.NoError(t, err)
		var holds []bool
		for _, c := range list {
			assert.Equal(t, lock.Permit, c.Kind)
			holds = append(holds, c.Holds)
		}
		assert.Equal(t, []bool{true, true, false}, holds)
		require.NoError(t, held.Unlock(ctx))
		require.NoError(t, <-done)
		fixed, err := lock.NewSemaphore(srv.Connect("c"), "/other", 3).Limit(ctx)
		require.NoError(t, err)
		assert.Equal(t, 3, fixed)
	})
}
