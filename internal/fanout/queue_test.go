package fanout

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueueIsFirstInFirstOut(t *testing.T) {
	var q Queue[int]
	for i := range 1000 {
		require.True(t, q.Push(i))
		require.Equal(t, i+1, q.Len())
	}
	for i := range 1000 {
		v, ok := q.Pop(t.Context())
		require.True(t, ok)
		require.Equal(t, i, v)
	}
	assert.Zero(t, q.Len())
}

func TestPopWaitsForPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Queue[string]
		start := time.Now()
		time.AfterFunc(time.Minute, func() { q.Push("here") })
		v, ok := q.Pop(t.Context())
		assert.True(t, ok)
		assert.Equal(t, "here", v)
		assert.Equal(t, time.Minute, time.Since(start))
	})
}

func TestPopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Queue[int]
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, ok := q.Pop(ctx)
		require.False(t, ok)

		q.Push(1)
		_, ok = q.Pop(ctx)
		require.False(t, ok, "an ended context comes before the items")
		assert.Equal(t, 1, q.Len(), "which stay")
	})
}

func TestQueueCloseKeepsItsItems(t *testing.T) {
	var q Queue[int]
	q.Push(1)
	q.Push(2)
	q.Close()
	q.Close()
	assert.False(t, q.Push(3))
	for _, want := range []int{1, 2} {
		v, ok := q.Pop(t.Context())
		require.True(t, ok)
		assert.Equal(t, want, v)
	}
	_, ok := q.Pop(t.Context())
	assert.False(t, ok)
}

func TestQueueCloseWakesEveryConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Queue[int]
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, ok := q.Pop(t.Context())
				assert.False(t, ok)
			})
		}
		synctest.Wait()
		q.Close()
		wg.Wait()
	})
}

// Several items and several waiting consumers: nobody sleeps on an item.
func TestPushWakesEnoughConsumers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q Queue[int]
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, ok := q.Pop(t.Context())
				assert.True(t, ok)
			})
		}
		synctest.Wait()
		for i := range 5 {
			q.Push(i)
		}
		wg.Wait() // a deadlock would fail the bubble
	})
}

func TestQueueUnderLoad(t *testing.T) {
	const producers, consumers, each = 4, 4, 5000
	var q Queue[[2]int]
	var producing, consuming sync.WaitGroup
	for p := range producers {
		producing.Go(func() {
			for i := range each {
				q.Push([2]int{p, i})
			}
		})
	}
	counts := make([]int, consumers)
	for c := range consumers {
		consuming.Go(func() {
			last := [producers]int{-1, -1, -1, -1}
			for {
				v, ok := q.Pop(t.Context())
				if !ok {
					return
				}
				assert.Greater(t, v[1], last[v[0]], "out of order")
				last[v[0]] = v[1]
				counts[c]++
			}
		})
	}
	producing.Wait()
	q.Close()
	consuming.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	assert.Equal(t, producers*each, total)
}

func BenchmarkQueue(b *testing.B) {
	b.ReportAllocs()
	var q Queue[int]
	for i := range b.N {
		q.Push(i)
		q.Pop(b.Context())
	}
}
