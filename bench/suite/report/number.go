package report

import (
	"fmt"
	"math"

	"github.com/docent-zk/docent/bench/suite/contest"
)

// unit scales a unit for people.
type unit struct {
	name  string
	least float64 // the figure from which on the unit is used
	size  float64
}

var units = map[string][]unit{
	"us": {{"s", 1e6, 1e6}, {"ms", 1e3, 1e3}, {"us", 1, 1}, {"ns", 0, 1e-3}},
	"B":  {{"GiB", 1 << 30, 1 << 30}, {"MiB", 1 << 20, 1 << 20}, {"KiB", 1 << 10, 1 << 10}, {"B", 0, 1}},
}

// Number shows a figure with three digits and its unit.
func Number(v float64, of string) string {
	if math.IsNaN(v) {
		return "-"
	}
	for _, u := range units[of] {
		if math.Abs(v) >= u.least {
			return digits(v/u.size) + " " + u.name
		}
	}
	return digits(v) + of
}

// digits has three digits, or more if there are more before the point.
func digits(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 1000:
		return thousands(fmt.Sprintf("%.0f", v))
	case abs >= 100:
		return fmt.Sprintf("%.0f", v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// thousands puts commas into a number without a fraction.
func thousands(s string) string {
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Ratio shows a ratio with its spread.
func Ratio(r contest.Spread) string {
	if r.N == 0 {
		return "-"
	}
	return fmt.Sprintf("%s [%s-%s]", ratioDigits(r.Median), ratioDigits(r.Low), ratioDigits(r.High))
}

func ratioDigits(v float64) string {
	if math.Abs(v) < 0.1 {
		return fmt.Sprintf("%.3f", v)
	}
	return digits(v)
}
