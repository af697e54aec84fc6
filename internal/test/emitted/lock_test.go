package emitted

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// One trace says why an acquire took so long: two stand ahead, the connection breaks, one is ahead, nobody is.
func TestAcquireSaysWhyItTookLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, others, s := collect(), collect(), startServer(t)
		cli := c.client(t, s, "a")
		theirs := lock.New(others.client(t, s, "b"), "/l", lock.Hold(0))
		first, err := theirs.Lock(t.Context())
		require.NoError(t, err)
		second := make(chan *lock.Held)
		go func() {
			held, _ := theirs.Lock(context.Background())
			second <- held
		}()
		time.Sleep(time.Second) // its node is in the queue
		go func() {
			time.Sleep(time.Second)
			blip(t, s)
			assert.NoError(t, first.Unlock(context.Background()))
			held := <-second
			time.Sleep(time.Second)
			assert.NoError(t, held.Unlock(context.Background()))
		}()

		ctx, caller := c.tracer.Tracer("test").Start(t.Context(), "caller")
		held, err := lock.New(cli, "/l").Lock(ctx)
		require.NoError(t, err)
		_, err = cli.Create(held.Context(), "/done", nil)
		require.NoError(t, err)
		require.NoError(t, held.Unlock(ctx))
		caller.End()

		acquire := c.one(t, "lock.acquire")
		within(t, acquire, c.one(t, "caller"))
		assert.Equal(t, []string{"queued", "rank", "suspended", "reconnected", "rank", "rank"}, events(acquire))
		assert.Equal(t, "2", attributes(acquire.Events[1].Attributes)["docent.ahead"])
		assert.Equal(t, "1", attributes(acquire.Events[4].Attributes)["docent.ahead"])
		assert.Equal(t, "0", attributes(acquire.Events[5].Attributes)["docent.ahead"])
		assert.Equal(t, map[string]string{"docent.recipe": "lock", "docent.path": "/l"}, attributes(acquire.Attributes))
		assert.Equal(t, codes.Unset, acquire.Status.Code)
		assertOrdered(t, acquire)
		for _, child := range c.named("zookeeper watchData")[:1] {
			within(t, child, acquire)
		}

		hold := c.one(t, "lock.hold")
		within(t, hold, c.one(t, "caller"))
		require.Len(t, hold.Links, 1)
		assert.Equal(t, acquire.SpanContext.SpanID(), hold.Links[0].SpanContext.SpanID())
		assert.Equal(t, "released", attributes(hold.Attributes)["docent.cause"])
		assert.NotEmpty(t, attributes(hold.Attributes)["docent.token"])
		assert.NotContains(t, attributes(hold.Attributes), "error.type")
		assert.Equal(t, codes.Unset, hold.Status.Code)
		for _, create := range c.named("zookeeper create") {
			if attributes(create.Attributes)["docent.path"] == "/done" {
				within(t, create, hold)
			}
		}
	})
}

func TestLostClaimsSayWhy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		held, err := lock.New(cli, "/l").Lock(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Minute)
		s.Cut(zktest.AllConns())
		<-held.Context().Done()
		require.Error(t, held.Unlock(t.Context()))
		synctest.Wait()
		hold := c.one(t, "lock.hold")
		assert.Equal(t, "suspended", attributes(hold.Attributes)["docent.cause"])
		assert.Equal(t, codes.Error, hold.Status.Code)
		assert.Equal(t, []string{"suspended"}, events(hold)[:1])
		assert.EqualValues(t, 1, c.value(t, "docent.claims.lost", "docent.recipe", "lock", "docent.cause", "suspended"))
		assert.InDelta(t, 60, c.value(t, "docent.hold.duration", "docent.cause", "suspended"), 1, "seconds")
	})
}

// A claim that nobody has given up ends with its client, whose Close waits for that to be told.
func TestCloseEndsClaims(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		held, err := lock.New(cli, "/l").Lock(t.Context())
		require.NoError(t, err)
		require.NoError(t, cli.Close())
		assert.Equal(t, "closed", attributes(c.one(t, "lock.hold").Attributes)["docent.cause"])
		require.ErrorIs(t, held.Unlock(t.Context()), framework.ErrClosed)
		synctest.Wait()
		assert.Len(t, c.named("lock.hold"), 1)
	})
}

func TestRefusedAcquires(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		m := lock.New(c.client(t, s, "a"), "/l", lock.WaitLimit(time.Second))
		held, err := m.Lock(t.Context())
		require.NoError(t, err)
		_, err = m.TryLock(t.Context())
		require.ErrorIs(t, err, lock.ErrLocked)
		_, err = m.Lock(t.Context())
		require.ErrorIs(t, err, lock.ErrWaitLimit)
		require.NoError(t, held.Unlock(t.Context()))

		all := c.named("lock.acquire")
		require.Len(t, all, 3)
		assert.Equal(t, "taken", attributes(all[1].Attributes)["error.type"])
		assert.Equal(t, codes.Unset, all[1].Status.Code, "to be told no is no failure")
		assert.Equal(t, "wait_limit", attributes(all[2].Attributes)["error.type"])
		assert.Equal(t, codes.Error, all[2].Status.Code)
		for _, failure := range []string{"taken", "wait_limit"} {
			assert.EqualValues(t, 1, c.count(t, "docent.acquire.duration", "error.type", failure))
		}
		assert.InDelta(t, 1, c.value(t, "docent.acquire.duration", "error.type", "wait_limit"), 0.1, "seconds")
	})
}

// Several nodes that are held as one are one hold, whose context everything is done in.
func TestBundlesAreOneHold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		permits, err := lock.NewSemaphore(cli, "/s", 3).Acquire(t.Context(), 2)
		require.NoError(t, err)
		_, err = cli.Create(permits.Context(), "/done", nil)
		require.NoError(t, err)
		require.NoError(t, permits.Unlock(t.Context()))
		hold := c.one(t, "lock.hold")
		assert.Equal(t, "semaphore", attributes(hold.Attributes)["docent.recipe"])
		creates := c.named("zookeeper create")
		within(t, creates[len(creates)-1], hold)
		both, err := lock.NewMulti(cli, []string{"/a", "/b"}).Lock(t.Context())
		require.NoError(t, err)
		require.NoError(t, both.Unlock(t.Context()))
		assert.Len(t, c.named("lock.hold"), 2)
		assert.EqualValues(t, 1, c.count(t, "docent.hold.duration", "docent.recipe", "locks"))
	})
}

// Each of those who share a place waits and holds for itself; the search for the place is nobody's.
func TestTurnsAreHoldsOfTheirCallers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		m := lock.New(c.client(t, s, "a"), "/l", lock.LocalHandover(10))
		for range 2 {
			ctx, caller := c.tracer.Tracer("test").Start(t.Context(), "caller")
			held, err := m.Lock(ctx)
			require.NoError(t, err)
			require.NoError(t, held.Unlock(ctx))
			caller.End()
		}
		acquires, holds, callers := c.named("lock.acquire"), c.named("lock.hold"), c.named("caller")
		require.Len(t, acquires, 2)
		require.Len(t, holds, 2)
		for i := range holds {
			within(t, acquires[i], callers[i])
			within(t, holds[i], callers[i])
		}
		_, err := m.TryLock(t.Context())
		require.NoError(t, err)
		assert.Len(t, c.named("lock.acquire"), 3)
	})
}
