package fanout

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// collect reads a channel to its end.
func collect[T any](ch <-chan T) []T {
	var all []T
	for v := range ch {
		all = append(all, v)
	}
	return all
}

func upTo(n int) []int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	return all
}

// ended reports whether ch is closed, which every goroutine that could close it
// in the bubble has had the time to do.
func ended[T any](ch <-chan T) bool {
	synctest.Wait()
	select {
	case _, ok := <-ch:
		return !ok
	default:
		return false
	}
}

func TestSubscribersGetEverythingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		first, second := hub.Subscribe(t.Context()), hub.Subscribe(t.Context())
		for i := range 100 {
			hub.Publish(i)
		}
		hub.Close()
		assert.Equal(t, upTo(100), collect(first))
		assert.Equal(t, upTo(100), collect(second))
	})
}

// The worst reader there is: a thousand values long it does nothing. Everybody
// else gets each value at the instant of its publication, and in the end the
// reader finds them all.
func TestSubscriberThatNeverReadsDoesNotDelayOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		never := hub.Subscribe(t.Context())
		published := make([]time.Time, 1000)
		var readers sync.WaitGroup
		for range 3 {
			ch := hub.Subscribe(t.Context())
			readers.Go(func() {
				for i := range published {
					assert.Equal(t, i, <-ch)
					assert.Equal(t, published[i], time.Now())
				}
			})
		}
		for i := range published {
			published[i] = time.Now()
			hub.Publish(i)
			time.Sleep(time.Millisecond)
		}
		readers.Wait()
		hub.Close()
		assert.Equal(t, upTo(1000), collect(never))
	})
}

func TestSubscribeStartsWithTheInitialValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[string]
		hub.Publish("before")
		ch := hub.Subscribe(t.Context(), "one", "two")
		hub.Publish("after")
		hub.Close()
		assert.Equal(t, []string{"one", "two", "after"}, collect(ch))
	})
}

// Who changes a value and publishes the change under one lock, and subscribes
// under the same, sees every change from the current value on, and none twice.
func TestSubscribeWithTheCurrentValueIsAtomic(t *testing.T) {
	var (
		mu      sync.Mutex
		current int
		hub     Hub[int]
		readers sync.WaitGroup
	)
	const changes = 2000
	for range 8 {
		readers.Go(func() {
			mu.Lock()
			ch := hub.Subscribe(t.Context(), current)
			mu.Unlock()
			last := <-ch
			for v := range ch {
				assert.Equal(t, last+1, v)
				last = v
			}
			assert.Equal(t, changes, last)
		})
	}
	for range changes {
		mu.Lock()
		current++
		hub.Publish(current)
		mu.Unlock()
		if current%100 == 0 {
			runtime.Gosched()
		}
	}
	hub.Close()
	readers.Wait()
}

func TestASubscriptionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		ctx, cancel := context.WithCancel(t.Context())
		idle, full := hub.Subscribe(ctx), hub.Subscribe(ctx, 1, 2, 3)
		other := hub.Subscribe(t.Context())
		synctest.Wait()
		cancel()
		// Nobody has read from either: that must not keep them open.
		assert.True(t, ended(idle))
		assert.True(t, ended(full))
		assert.Len(t, hub.subs, 1, "the hub has forgotten them")

		hub.Publish(7)
		assert.Equal(t, 7, <-other)
		hub.Close()
		assert.Empty(t, collect(other))
	})
}

func TestSubscribeWithAnEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.True(t, ended(hub.Subscribe(ctx, 1)))
	})
}

func TestCloseLetsReadersFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		ch := hub.Subscribe(t.Context())
		hub.Publish(0)
		hub.Publish(1)
		hub.Close()
		hub.Close()
		hub.Publish(2)
		time.Sleep(time.Hour)
		assert.Equal(t, upTo(2), collect(ch))
	})
}

// A subscription that ends before its context must not stay attached to it: the
// context may be the program's own.
func TestAnEndedSubscriptionLeavesItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		ctx := &countingContext{Context: t.Context()}
		ch := hub.Subscribe(ctx, 1)
		assert.Equal(t, 1, ctx.attached)
		hub.Close()
		assert.Equal(t, []int{1}, collect(ch))
		require.NoError(t, hub.Wait(t.Context()))
		assert.Zero(t, ctx.attached)
	})
}

// countingContext counts what waits for its end, through the method that
// package context looks for.
type countingContext struct {
	context.Context
	attached int
}

func (c *countingContext) AfterFunc(f func()) (stop func() bool) {
	c.attached++
	undo := context.AfterFunc(c.Context, f)
	return func() bool {
		c.attached--
		return undo()
	}
}

// Done is not the embedded one's channel, or package context would recognise
// it and attach to the embedded context directly.
func (c *countingContext) Done() <-chan struct{} { return make(chan struct{}) }

func TestCloseDoesNotWaitForReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		ctx, cancel := context.WithCancel(t.Context())
		ch := hub.Subscribe(ctx, 1)
		hub.Close() // must return
		cancel()    // must still work
		assert.True(t, ended(ch))
	})
}

func TestSubscribeAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		hub.Close()
		assert.Equal(t, []int{4, 5}, collect(hub.Subscribe(t.Context(), 4, 5)))
		assert.Empty(t, collect(hub.Subscribe(t.Context())))
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		require.NoError(t, hub.Wait(t.Context()), "nobody has subscribed")

		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		never := hub.Subscribe(ctx, 1)
		slow := hub.Subscribe(t.Context(), 1)
		time.AfterFunc(time.Second, func() { collect(slow) })
		hub.Close()
		require.NoError(t, hub.Wait(t.Context()))
		assert.Equal(t, time.Minute, time.Since(start), "the one that never reads goes last, with its context")
		assert.True(t, ended(never))
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		defer hub.Shutdown()
		hub.Subscribe(t.Context(), 1)
		hub.Close()
		reason := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, reason)
		defer cancel()
		assert.Equal(t, reason, hub.Wait(ctx))
	})
}

func TestShutdownDropsUnreadValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		blocked, idle := hub.Subscribe(t.Context(), 1, 2, 3), hub.Subscribe(t.Context())
		synctest.Wait()
		start := time.Now()
		hub.Shutdown()
		hub.Shutdown()
		assert.Zero(t, time.Since(start))
		// Without any further wait: no goroutine was left behind.
		assert.Empty(t, hub.subs)
		for _, ch := range []<-chan int{blocked, idle} {
			_, ok := <-ch
			assert.False(t, ok)
		}
		hub.Publish(4)
		assert.Empty(t, collect(hub.Subscribe(t.Context(), 5)), "a late subscriber gets nothing")
	})
}

func TestShutdownAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		ch := hub.Subscribe(t.Context(), 1)
		hub.Close()
		hub.Shutdown()
		assert.Empty(t, collect(ch))
	})
}

// Shutdown drops at once, also when a reader stands ready to take the rest.
func TestShutdownDeliversNothingMore(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			var hub Hub[int]
			ch := hub.Subscribe(t.Context(), upTo(100)...)
			assert.Equal(t, 0, <-ch)
			hub.Shutdown()
			assert.Empty(t, collect(ch))
		})
	}
}

// The order in which readers are woken decides what a simulation does next, so
// it may not depend on chance.
func TestTheHubKeepsTheOrderOfSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hub Hub[int]
		defer hub.Shutdown()
		ctx, cancel := context.WithCancel(t.Context())
		var want []<-chan int
		for i := range 100 {
			if i%3 == 0 {
				hub.Subscribe(ctx)
			} else {
				want = append(want, hub.Subscribe(t.Context()))
			}
		}
		cancel()
		synctest.Wait()
		var got []<-chan int
		for _, s := range hub.subs {
			got = append(got, s.out)
		}
		assert.Equal(t, want, got)
	})
}

func TestDeliveredValuesAreForgotten(t *testing.T) {
	var hub Hub[*[64]byte]
	defer hub.Shutdown()
	ch := hub.Subscribe(t.Context())
	var seen []weak.Pointer[[64]byte]
	for range 50 {
		p := new([64]byte)
		seen = append(seen, weak.Make(p))
		hub.Publish(p)
	}
	for range 49 {
		<-ch
	}
	runtime.GC()
	for i, w := range seen[:48] {
		assert.Nil(t, w.Value(), "value %d is still referenced", i)
	}
}

// Publishers, subscribers that come and go, and the end, all at once. Every
// subscriber sees a part of one and the same sequence.
func TestHubUnderLoad(t *testing.T) {
	const publishers, each = 4, 300
	var hub Hub[[2]int]
	var publishing, reading sync.WaitGroup
	reference := hub.Subscribe(t.Context())
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				hub.Publish([2]int{p, i})
			}
		})
	}
	parts := make([][][2]int, 20)
	for s := range parts {
		ctx, cancel := context.WithCancel(t.Context())
		reading.Go(func() {
			defer cancel()
			for v := range hub.Subscribe(ctx) {
				parts[s] = append(parts[s], v)
				if len(parts[s]) == 50*s {
					return
				}
			}
		})
	}
	publishing.Wait()
	hub.Close()
	reading.Wait()
	all := collect(reference)
	require.Len(t, all, publishers*each)
	for _, part := range parts {
		assertPartOf(t, all, part)
	}
	require.NoError(t, hub.Wait(t.Context()))
}

// assertPartOf checks that part stands in all without a gap.
func assertPartOf(t *testing.T, all, part [][2]int) {
	t.Helper()
	if len(part) == 0 {
		return
	}
	for i, v := range all {
		if v == part[0] {
			require.LessOrEqual(t, i+len(part), len(all))
			require.Equal(t, all[i:i+len(part)], part)
			return
		}
	}
	require.Fail(t, "a value that was never published")
}

func TestShutdownDuringEverything(t *testing.T) {
	var hub Hub[int]
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range 8 {
		wg.Go(func() {
			<-start
			for i := range 200 {
				hub.Publish(i)
			}
		})
		wg.Go(func() {
			<-start
			for range 50 {
				ch := hub.Subscribe(t.Context(), 1)
				<-ch
			}
		})
	}
	close(start)
	for range 3 {
		wg.Go(hub.Shutdown)
	}
	wg.Wait()
	hub.Shutdown()
	assert.Empty(t, hub.subs)
}

func BenchmarkPublish(b *testing.B) {
	b.ReportAllocs()
	var hub Hub[int]
	defer hub.Shutdown()
	for range 8 {
		ch := hub.Subscribe(b.Context())
		go func() {
			for range ch {
			}
		}()
	}
	for i := range b.N {
		hub.Publish(i)
	}
}
