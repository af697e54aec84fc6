package contest

import "math"

// PowerLaw is cost = Factor * size^Exponent.
type PowerLaw struct {
	Exponent float64 `json:"exponent"`
	Factor   float64 `json:"factor"`
	// StdErr is the standard error of the exponent. It is 0 for two points, through which a line always passes.
	StdErr float64 `json:"std_err"`
	N      int     `json:"n"` // points that were fitted
}

// At returns the cost that the law gives for a size.
func (p PowerLaw) At(size float64) float64 { return p.Factor * math.Pow(size, p.Exponent) }

// Fit fits a power law by least squares on logarithms. Points whose size or cost is not positive are left out. It returns
// false if fewer than two different sizes are left.
func Fit(sizes, costs []float64) (PowerLaw, bool) {
	var xs, ys []float64
	for i := range min(len(sizes), len(costs)) {
		if sizes[i] > 0 && costs[i] > 0 && !math.IsInf(sizes[i], 0) && !math.IsInf(costs[i], 0) {
			xs, ys = append(xs, math.Log(sizes[i])), append(ys, math.Log(costs[i]))
		}
	}
	n := float64(len(xs))
	meanX, meanY := mean(xs), mean(ys)
	var sxx, sxy float64
	for i := range xs {
		sxx += (xs[i] - meanX) * (xs[i] - meanX)
		sxy += (xs[i] - meanX) * (ys[i] - meanY)
	}
	if n < 2 || sxx == 0 {
		return PowerLaw{}, false
	}
	slope := sxy / sxx
	law := PowerLaw{Exponent: slope, Factor: math.Exp(meanY - slope*meanX), N: len(xs)}
	if n > 2 {
		var residual float64
		for i := range xs {
			r := ys[i] - meanY - slope*(xs[i]-meanX)
			residual += r * r
		}
		law.StdErr = math.Sqrt(residual / (n - 2) / sxx)
	}
	return law, true
}

func mean(figures []float64) float64 {
	var sum float64
	for _, f := range figures {
		sum += f
	}
	return sum / float64(len(figures))
}
