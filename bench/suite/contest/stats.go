package contest

import (
	"math"
	"slices"
)

// Spread describes a set of figures.
type Spread struct {
	N      int     `json:"n"`      // how many figures
	Median float64 `json:"median"` // the middle one
	Low    float64 `json:"low"`    // the first quartile
	High   float64 `json:"high"`   // the third quartile
}

// SpreadOf returns the median and the quartiles of the figures that are numbers. Without any, all three are NaN.
func SpreadOf(figures []float64) Spread {
	sorted := make([]float64, 0, len(figures))
	for _, f := range figures {
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			sorted = append(sorted, f)
		}
	}
	slices.Sort(sorted)
	return Spread{N: len(sorted), Median: Quantile(sorted, 0.5), Low: Quantile(sorted, 0.25), High: Quantile(sorted, 0.75)}
}

// Median returns the middle of the figures, which need not be sorted, and NaN if there are none.
func Median(figures []float64) float64 { return SpreadOf(figures).Median }

// Quantile returns the q-quantile of sorted figures, 0 <= q <= 1, interpolated between neighbours. It is NaN if there are
// none.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	below := int(math.Floor(at))
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(below)
	return sorted[below]*(1-part) + sorted[below+1]*part
}

// ratios divides figures of the same round: ours[i] / theirs[i]. Rounds in which either is missing (NaN), or theirs is zero,
// are left out.
func ratios(ours, theirs []float64) []float64 {
	var all []float64
	for i := range min(len(ours), len(theirs)) {
		if r := ours[i] / theirs[i]; !math.IsNaN(r) && !math.IsInf(r, 0) {
			all = append(all, r)
		}
	}
	return all
}

// roundTo leaves so many significant digits of each figure, in place.
func roundTo(figures []float64, significant int) {
	for i, f := range figures {
		if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
			continue
		}
		scale := math.Pow(10, float64(significant-1)-math.Floor(math.Log10(math.Abs(f))))
		figures[i] = math.Round(f*scale) / scale
	}
}
