package discovery

import (
	"math"
	"math/rand/v2"
	"sync"
)

// Strategy chooses among the instances of a service that are available. It is called with them whenever they change, one call
// after the other. The function that it returns picks one of them, by index. That function is called by many goroutines at once, even
// for a moment after the next call of the Strategy. It should neither lock nor allocate.
//
// If either function panics, or the Strategy does not return within 10 s, or the index is not that of an instance, RoundRobin
// takes over until the instances change. The panic is logged and counted.
//
// A Strategy that looks at each candidate costs time in proportion to their number at each change, as [Sticky], [Weighted] and
// [PowerOfTwo] do. [RoundRobin] and [Random] look at none.
//
// A Strategy belongs to one [Service]: make one for each.
type Strategy func(available Candidates) (pick func() int)

// RoundRobin picks one after the other. It begins anywhere, so that clients which are started together do not all call
// the same instance first, and goes on where it was when instances change.
//
// Picks that are made one after the other follow the order of the instances' keys. Goroutines that pick at the same moment take
// blocks of 64 turns, so each of them keeps to the order within its block only. No turn is given to two picks and none is left
// out, so every instance gets the same number of picks, except for the turns that have been taken and not yet used: at most 63 in
// each of 8 blocks.
func RoundRobin() Strategy { return roundRobin(rand.Uint64()) }

func roundRobin(start uint64) Strategy {
	t := newTurns(start + 1)
	return func(available Candidates) func() int {
		n := uint64(available.Len())
		return available.turning(t, func() int { return int(t.take(lane()) % n) })
	}
}

// Random picks any, all with the same probability.
func Random() Strategy {
	return func(available Candidates) func() int {
		n := available.Len()
		return available.safe(func() int { return rand.IntN(n) })
	}
}

// Sticky picks any, and then the same one until it is not available any more.
func Sticky() Strategy {
	var mu sync.Mutex // against nobody, as the calls come one after the other, but for a Strategy in two Services
	var key string
	return func(available Candidates) func() int {
		mu.Lock()
		defer mu.Unlock()
		at := rand.IntN(available.Len())
		for i, c := range available.All() {
			if c.key == key {
				at = i
			}
		}
		key = available.At(at).key
		return available.safe(func() int { return at })
	}
}

// Weighted picks any, with a probability in proportion to its weight. If no weight is above 0, all count the same. See
// [WithWeight].
func Weighted() Strategy {
	return func(available Candidates) func() int {
		t := newLottery(available)
		return available.safe(func() int { return t.draw(rand.Uint64()) })
	}
}

// lottery draws numbers with given probabilities in constant time: Walker's alias method. Each column of equal width belongs to
// its own number up to a mark, and to another one beyond.
type lottery []column

type column struct {
	mark  uint32 // of 2^32
	other int32
}

func newLottery(available Candidates) lottery {
	heights := heightsOf(available)
	t := make(lottery, len(heights))
	var low, high []int
	for i, h := range heights {
		t[i] = column{mark: math.MaxUint32, other: int32(i)}
		if h < 1 {
			low = append(low, i)
		} else {
			high = append(high, i)
		}
	}
	for len(low) > 0 && len(high) > 0 {
		l, h := low[len(low)-1], high[len(high)-1]
		low = low[:len(low)-1]
		t[l] = column{mark: uint32(heights[l] * math.MaxUint32), other: int32(h)}
		if heights[h] -= 1 - heights[l]; heights[h] < 1 {
			high = high[:len(high)-1]
			low = append(low, h)
		}
	}
	return t
}

// heightsOf are the weights, in units of their mean.
func heightsOf(available Candidates) []float64 {
	heights := make([]float64, available.Len())
	most, sum := heaviest(available), 0.0
	for i, c := range available.All() {
		heights[i] = 1
		if most > 0 {
			heights[i] = c.weight / most // so that the sum neither overflows nor vanishes
		}
		sum += heights[i]
	}
	for i := range heights {
		heights[i] *= float64(len(heights)) / sum
	}
	return heights
}

// heaviest is the largest weight, 0 if no weight is above 0.
func heaviest(available Candidates) float64 {
	most := 0.0
	for _, c := range available.All() {
		most = max(most, c.weight)
	}
	return most
}

// draw turns random bits into a number.
func (t lottery) draw(bits uint64) int {
	i := int(bits >> 32 * uint64(len(t)) >> 32)
	if uint32(bits) < t[i].mark {
		return i
	}
	return int(t[i].other)
}

// PowerOfTwo looks at two instances and picks the one that is less loaded: with fewer uses under way, in proportion to its
// weight. It spreads calls of different length better than turns do, and follows an instance that has become slow. Each
// use must be ended with [Endpoint.Done].
//
// An instance without a weight above 0 is not looked at, unless that is so of all instances: then the load alone decides.
func PowerOfTwo() Strategy { return powerOfTwo(rand.IntN) }

func powerOfTwo(intN func(int) int) Strategy {
	return func(available Candidates) func() int {
		entrants := entrantsOf(available)
		n := len(entrants)
		if n == 1 {
			only := entrants[0].index
			return available.safe(func() int { return only })
		}
		return available.safe(func() int {
			i, j := intN(n), intN(n-1)
			if j >= i {
				j++
			}
			if entrants[j].lessLoaded(entrants[i]) {
				i = j
			}
			return entrants[i].index
		})
	}
}

// entrant is a candidate that PowerOfTwo looks at.
type entrant struct {
	*Candidate
	index  int // among the candidates that are available
	weight float64
}

// entrantsOf are the candidates with a weight above 0. If there are none, they are all candidates, with equal weights.
func entrantsOf(available Candidates) []entrant {
	most := heaviest(available)
	entrants := make([]entrant, 0, available.Len())
	for i, c := range available.All() {
		switch {
		case most == 0:
			entrants = append(entrants, entrant{c, i, 1})
		case c.weight > 0:
			entrants = append(entrants, entrant{c, i, c.weight / most}) // so that no product overflows
		}
	}
	return entrants
}

// lessLoaded reports whether one more use would load e less than other.
func (e entrant) lessLoaded(other entrant) bool {
	return float64(e.Load()+1)*other.weight < float64(other.Load()+1)*e.weight
}
