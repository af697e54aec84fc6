package discovery

import (
	"math"
	"math/rand/v2"
	"sync"
)

// Strategy chooses from the available instances of a service. It is called with them whenever they change, never
// concurrently. It returns a function that picks one of them by index. That function is called concurrently, and even
// for a moment after the next call of the Strategy. It should neither lock nor allocate.
//
// If either function panics, or the Strategy does not return within 10 s, or the index is invalid, RoundRobin is used
// until the instances change. A panic is logged and counted.
//
// A Strategy that reads every candidate, as [Sticky], [Weighted] and [PowerOfTwo] do, costs time in proportion to their
// number at each change. [RoundRobin] and [Random] do not.
//
// A Strategy belongs to one [Service]: create one for each.
type Strategy func(available Candidates) (pick func() int)

// RoundRobin picks the instances in turn. It starts at a random one, so that clients that start together do not all
// call the same instance first, and continues at its position when instances change.
//
// Successive picks follow the order of the instances' keys. Goroutines that pick at the same time take blocks of 64
// turns, so each follows the order within its block only. Every turn is used exactly once. So all instances are picked
// equally often, apart from turns that have been taken and not used yet: at most 63 in each of 8 blocks.
func RoundRobin() Strategy { return roundRobin(rand.Uint64()) }

func roundRobin(start uint64) Strategy {
	t := newTurns(start + 1)
	return func(available Candidates) func() int {
		n := uint64(available.Len())
		return available.turning(t, func() int { return int(t.take(lane()) % n) })
	}
}

// Random picks instances at random, all with the same probability.
func Random() Strategy {
	return func(available Candidates) func() int {
		n := available.Len()
		return available.safe(func() int { return rand.IntN(n) })
	}
}

// Sticky picks a random instance, and keeps picking it while it is available.
func Sticky() Strategy {
	var mu sync.Mutex // needed only if a Strategy is used by two Services
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

// Weighted picks instances at random, with probabilities in proportion to their weights. If no weight is above 0, all
// count the same. See [WithWeight].
func Weighted() Strategy {
	return func(available Candidates) func() int {
		t := newLottery(available)
		return available.safe(func() int { return t.draw(rand.Uint64()) })
	}
}

// lottery draws numbers with given probabilities in constant time (Walker's alias method). Each column of equal width
// belongs to its own number up to a mark, and to another number above.
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

// heightsOf returns the weights in units of their mean.
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

// heaviest returns the largest weight; 0 if none is above 0.
func heaviest(available Candidates) float64 {
	most := 0.0
	for _, c := range available.All() {
		most = max(most, c.weight)
	}
	return most
}

// draw converts random bits to a number.
func (t lottery) draw(bits uint64) int {
	i := int(bits >> 32 * uint64(len(t)) >> 32)
	if uint32(bits) < t[i].mark {
		return i
	}
	return int(t[i].other)
}

// PowerOfTwo compares two random instances and picks the less loaded one: with fewer current uses in proportion to its
// weight. It balances calls of different length better than taking turns, and adapts to an instance that has become
// slow. Each use must be ended with [Endpoint.Done].
//
// Instances without a weight above 0 are not considered, unless no instance has one: then the load alone decides.
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

// entrant is a candidate that PowerOfTwo considers.
type entrant struct {
	*Candidate
	index  int // among the available candidates
	weight float64
}

// entrantsOf returns the candidates with a weight above 0. If there are none, it returns all candidates with equal
// weights.
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

// lessLoaded reports whether another use would load e less than other.
func (e entrant) lessLoaded(other entrant) bool {
	return float64(e.Load()+1)*other.weight < float64(other.Load()+1)*e.weight
}
