package discovery

import (
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// left are the numbers that have been taken for a lane and not given out.
func (t *turns) left() []uint64 {
	var all []uint64
	for i := range t.lanes {
		rest := t.lanes[i].Load()
		for k := range rest & busy {
			all = append(all, rest>>8+k)
		}
	}
	return all
}

// Whatever happens at the same time, no number is given out twice, and none is lost.
func TestTurnsAreEachGivenOnce(t *testing.T) {
	const goroutines, each = 8, 5000
	turns := newTurns(7)
	given := make([][]uint64, goroutines)
	var callers sync.WaitGroup
	for i := range goroutines {
		callers.Go(func() {
			for k := range each {
				if k%100 == i { // as if another one had been faster
					given[i] = append(given[i], turns.refill(&turns.lanes[lane()], turns.lanes[lane()].Load()&^busy))
				}
				given[i] = append(given[i], turns.take(lane()))
			}
		})
	}
	callers.Wait()
	all := slices.Concat(append(given, turns.left())...)
	slices.Sort(all)
	require.Len(t, slices.Compact(slices.Clone(all)), len(all), "none twice")
	assert.EqualValues(t, 7, all[0])
	assert.EqualValues(t, turns.next.Load()-1, all[len(all)-1])
	assert.Len(t, all, int(turns.next.Load()-7), "none is lost")
}

// A caller that has met another goes on with its own numbers until they are used up.
func TestTurnsGoInBlocks(t *testing.T) {
	turns := newTurns(100)
	own := &turns.lanes[3]
	assert.EqualValues(t, 100, turns.take(3))
	assert.EqualValues(t, 101, turns.take(3), "nobody else takes any")
	assert.EqualValues(t, 102, turns.refill(own, own.Load()))
	assert.EqualValues(t, 102+block, turns.next.Load())
	own.Store(own.Load() | busy)
	assert.EqualValues(t, 102+block, turns.take(3), "somebody is taking a block")
	assert.EqualValues(t, 103+block, turns.refill(own, 0), "which another one in the lane does not touch")
	own.Store(103<<8 | (block - 1))
	for i := range block - 1 {
		assert.EqualValues(t, 103+i, turns.take(3))
	}
	assert.Empty(t, turns.left())
	assert.EqualValues(t, 104+block, turns.take(3), "and then with those of all")
}

// Over many picks of many callers, each instance is picked as often as any other, to within the turns that are left.
func TestRoundRobinSharesAlikeWhenManyPick(t *testing.T) {
	const n, goroutines, each = 7, 4, 7 * 1000
	pick := roundRobin(3)(CandidatesOf(equal(n)))
	counts := make([][]int, goroutines)
	var callers sync.WaitGroup
	for i := range goroutines {
		counts[i] = make([]int, n)
		callers.Go(func() {
			for range each {
				counts[i][pick()]++
			}
		})
	}
	callers.Wait()
	for k := range n {
		sum := 0
		for i := range goroutines {
			sum += counts[i][k]
		}
		assert.InDelta(t, goroutines*each/n, sum, lanes*(block/n+1)+1)
	}
}
