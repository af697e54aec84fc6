package discovery

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// candidates have the weights given.
func candidates(weights ...float64) []*Candidate {
	var all []*Candidate
	var counters tallies
	for i, w := range weights {
		all = append(all, &Candidate{key: fmt.Sprint(i), weight: w, uses: counters.take()})
	}
	return all
}

func equal(n int) []*Candidate {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1
	}
	return candidates(weights...)
}

// shares are how often each of n was picked.
func shares(n, picks int, pick func() int) []float64 {
	counts := make([]float64, n)
	for range picks {
		counts[pick()] += 1 / float64(picks)
	}
	return counts
}

func TestRoundRobinTakesTurns(t *testing.T) {
	s := roundRobin(6)
	pick := s(CandidatesOf(equal(4)))
	var seen []int
	for range 9 {
		seen = append(seen, pick())
	}
	assert.Equal(t, []int{3, 0, 1, 2, 3, 0, 1, 2, 3}, seen)
	assert.Equal(t, 16, s(CandidatesOf(equal(1000)))(), "it goes on where it was")
	assert.InDeltaSlice(t, []float64{0.25, 0.25, 0.25, 0.25}, shares(4, 4000, roundRobin(math.MaxUint64-5)(CandidatesOf(equal(4)))), 1e-9)
	starts := map[int]bool{}
	for range 100 {
		starts[RoundRobin()(CandidatesOf(equal(1000)))()] = true
	}
	assert.Greater(t, len(starts), 50, "each begins elsewhere")
}

func TestRandomIsEven(t *testing.T) {
	assert.InDeltaSlice(t, []float64{0.25, 0.25, 0.25, 0.25}, shares(4, 100_000, Random()(CandidatesOf(equal(4)))), 0.02)
}

func TestStickyStays(t *testing.T) {
	s := Sticky()
	all := equal(10)
	pick := s(CandidatesOf(all))
	first := all[pick()]
	for range 100 {
		assert.Same(t, first, all[pick()])
	}
	others := append([]*Candidate{{key: "new"}, {key: "newer"}}, all...)
	assert.Same(t, first, others[s(CandidatesOf(others))()], "while it is there")
	var without []*Candidate
	for _, c := range others {
		if c != first {
			without = append(without, c)
		}
	}
	second := without[s(CandidatesOf(without))()]
	for range 20 {
		assert.Same(t, second, others[s(CandidatesOf(others))()], "not back to what it left")
	}
	starts := map[int]bool{}
	for range 100 {
		starts[Sticky()(CandidatesOf(all))()] = true
	}
	assert.Greater(t, len(starts), 5, "each begins elsewhere")
}

func TestWeightedIsInProportion(t *testing.T) {
	for _, weights := range [][]float64{
		{1}, {1, 1}, {1, 2, 3, 4}, {0, 1, 0, 3}, {0, 0, 0}, {1e308, 1e308, 1e308}, {1e-300, 3e-300}, {1e9, 1}, {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0},
	} {
		sum := 0.0
		for _, w := range weights {
			sum += w / float64(len(weights))
		}
		want := make([]float64, len(weights))
		for i, w := range weights {
			want[i] = 1 / float64(len(weights))
			if sum > 0 {
				want[i] *= w / sum
			}
		}
		all := candidates(weights...)
		assert.InDeltaSlice(t, want, newLottery(CandidatesOf(all)).probabilities(), 1e-8, weights)
		assert.InDeltaSlice(t, want, shares(len(weights), 100_000, Weighted()(CandidatesOf(all))), 0.02, weights)
	}
}

// probabilities are what draw amounts to.
func (t lottery) probabilities() []float64 {
	p := make([]float64, len(t))
	for i, c := range t {
		own := float64(c.mark) / math.MaxUint32
		p[i] += own / float64(len(t))
		p[c.other] += (1 - own) / float64(len(t))
	}
	return p
}

func TestLotteryReachesEveryColumn(t *testing.T) {
	l := newLottery(CandidatesOf(equal(3)))
	assert.Equal(t, 0, l.draw(0))
	assert.Equal(t, 2, l.draw(math.MaxUint64))
}

func TestPowerOfTwoTakesTheLessLoaded(t *testing.T) {
	all := candidates(1, 1, 0, 4)
	draws := [][2]int{}
	pick := powerOfTwo(func(n int) int {
		d := draws[0][3-n] // n is 3, as one has no weight, and then 2
		if n == 2 {
			draws = draws[1:]
		}
		return d
	})(CandidatesOf(all))
	first := func(i, j int) int {
		draws = append(draws, [2]int{i, j})
		return pick()
	}
	all[0].uses.add(0, 5)
	all[1].uses.add(0, 4)
	all[3].uses.add(0, 16)
	assert.Equal(t, 1, first(0, 0), "0 and 1")
	assert.Equal(t, 1, first(1, 0), "1 and 0")
	assert.Equal(t, 3, first(1, 1), "17/4 is less than 5")
	assert.Equal(t, 3, first(2, 1))
	assert.Equal(t, 0, powerOfTwo(nil)(CandidatesOf(equal(1)))())
	assert.Equal(t, 1, powerOfTwo(nil)(CandidatesOf(candidates(0, 5, 0)))(), "the only one with a weight")
}

// PowerOfTwo keeps the loads together, whatever becomes of single calls.
func TestPowerOfTwoBalances(t *testing.T) {
	all := equal(20)
	pick := PowerOfTwo()(CandidatesOf(all))
	for range 2000 {
		all[pick()].uses.add(0, 1)
	}
	for _, c := range all {
		assert.InDelta(t, 100, c.Load(), 15)
	}
}

// Strategies that know weights pick nothing without one while others have more. All others treat all alike.
func TestSharesOfEveryStrategy(t *testing.T) {
	const tiny = math.SmallestNonzeroFloat64
	even := func(n int) []float64 {
		s := make([]float64, n)
		for i := range s {
			s[i] = 1 / float64(n)
		}
		return s
	}
	for _, c := range []struct {
		weights, weighted, two []float64
	}{
		{[]float64{1, 0, 0}, []float64{1, 0, 0}, []float64{1, 0, 0}},
		{[]float64{0, 1, 0, 1}, []float64{0, 0.5, 0, 0.5}, []float64{0, 0.5, 0, 0.5}},
		{[]float64{0, 0, 0}, even(3), even(3)},
		{[]float64{0, tiny, 0}, []float64{0, 1, 0}, []float64{0, 1, 0}},
		{[]float64{0, math.MaxFloat64, 0, math.MaxFloat64}, []float64{0, 0.5, 0, 0.5}, []float64{0, 0.5, 0, 0.5}},
		{[]float64{1, 1, 1, 1, 1}, even(5), even(5)},
	} {
		n := len(c.weights)
		sticky := make([]float64, n)
		for range 20_000 {
			sticky[Sticky()(CandidatesOf(candidates(c.weights...)))()] += 1.0 / 20_000
		}
		assert.InDeltaSlice(t, even(n), sticky, 0.02, "Sticky")
		for name, s := range map[string]Strategy{"RoundRobin": RoundRobin(), "Random": Random(), "Weighted": Weighted(), "PowerOfTwo": PowerOfTwo()} {
			want := map[string][]float64{"Weighted": c.weighted, "PowerOfTwo": c.two}[name]
			if want == nil {
				want = even(n)
			}
			got := shares(n, 50_000, s(CandidatesOf(candidates(c.weights...))))
			assert.InDeltaSlice(t, want, got, 0.02, "%s of %v", name, c.weights)
			for i := range want {
				assert.False(t, want[i] == 0 && got[i] > 0, "%s of %v picks %d", name, c.weights, i)
			}
		}
	}
}

// Without any weight it is the load that decides, as with equal ones.
func TestPowerOfTwoWithoutWeightsFollowsTheLoad(t *testing.T) {
	all := candidates(0, 0, 0, 0)
	all[2].uses.add(0, 1<<40) // it hangs
	pick := PowerOfTwo()(CandidatesOf(all))
	for range 3000 {
		all[pick()].uses.add(0, 1)
	}
	assert.EqualValues(t, 1<<40, all[2].Load(), "one that hangs gets no more")
	for _, i := range []int{0, 1, 3} {
		assert.InDelta(t, 1000, all[i].Load(), 20)
	}
}
