package contest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSpreadOfIsMedianAndQuartiles(t *testing.T) {
	s := SpreadOf([]float64{5, 1, 4, 2, 3})
	assert.Equal(t, Spread{N: 5, Median: 3, Low: 2, High: 4}, s)
	assert.Equal(t, Spread{N: 2, Median: 1.5, Low: 1.25, High: 1.75}, SpreadOf([]float64{2, 1}), "interpolated")
	assert.Equal(t, Spread{N: 1, Median: 7, Low: 7, High: 7}, SpreadOf([]float64{7}))
}

func TestSpreadOfLeavesOutWhatIsNoNumber(t *testing.T) {
	s := SpreadOf([]float64{math.NaN(), 1, math.Inf(1), 3})
	assert.Equal(t, 2, s.N)
	assert.Equal(t, 2.0, s.Median)
	assert.True(t, math.IsNaN(SpreadOf(nil).Median))
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	assert.Equal(t, []float64{0.5, 2}, ratios([]float64{1, 4}, []float64{2, 2}))
	assert.Equal(t, []float64{3}, ratios([]float64{1, math.NaN(), 3, 9}, []float64{0, 1, 1}))
}

func TestRoundKeepsSignificantDigits(t *testing.T) {
	figures := []float64{123456, 0.0123456, -98765, 0, 7}
	roundTo(figures, 4)
	assert.Equal(t, []float64{123500, 0.01235, -98770, 0, 7}, figures)
}

func TestFitFindsTheExponent(t *testing.T) {
	sizes := []float64{10, 100, 1000, 10_000}
	for _, exponent := range []float64{0, 0.3, 1, 1.95} {
		var costs []float64
		for _, n := range sizes {
			costs = append(costs, 7*math.Pow(n, exponent))
		}
		law, ok := Fit(sizes, costs)
		require.True(t, ok)
		assert.InDelta(t, exponent, law.Exponent, 1e-9)
		assert.InDelta(t, 7, law.Factor, 1e-6)
		assert.InDelta(t, 0, law.StdErr, 1e-9)
		assert.InDelta(t, 7*math.Pow(50, exponent), law.At(50), 1e-6)
	}
}

// Computed by hand: ln-ln points (0,0), (1,2), (2,2): slope 1, residuals -1/3, 2/3, -1/3, standard error sqrt(2/3/2).
func TestFitReportsTheErrorOfTheExponent(t *testing.T) {
	e := math.E
	law, ok := Fit([]float64{1, e, e * e}, []float64{1, e * e, e * e})
	require.True(t, ok)
	assert.InDelta(t, 1, law.Exponent, 1e-9)
	assert.InDelta(t, math.Sqrt(1.0/3), law.StdErr, 1e-9)
	assert.Equal(t, 3, law.N)
}

func TestFitNeedsTwoSizes(t *testing.T) {
	for name, points := range map[string][2][]float64{
		"none":         {nil, nil},
		"one":          {{10}, {5}},
		"the same":     {{10, 10}, {5, 6}},
		"not positive": {{10, 0, 100}, {5, 6, -1}},
	} {
		_, ok := Fit(points[0], points[1])
		assert.False(t, ok, name)
	}
}

func TestOrderGivesEverybodyEveryPlace(t *testing.T) {
	for n := 1; n <= 5; n++ {
		places := make([]map[int]int, n)
		follows := map[[2]int]int{}
		for i := range places {
			places[i] = map[int]int{}
		}
		for round := range 2 * n {
			order := turnOrder(n, round)
			for place, who := range order {
				places[who][place]++
				if place > 0 {
					follows[[2]int{order[place-1], who}]++
				}
			}
		}
		for who, of := range places {
			for place := range n {
				assert.Equal(t, 2, of[place], "%d of %d at place %d", who, n, place)
			}
		}
		for pair, times := range follows {
			assert.Equal(t, times, follows[[2]int{pair[1], pair[0]}], "as often before as behind: %v of %d", pair, n)
		}
	}
	assert.Empty(t, turnOrder(0, 3))
}
