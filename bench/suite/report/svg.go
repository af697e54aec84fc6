package report

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/docent-zk/docent/bench/suite/contest"
)

// colours are those of the peers, from a palette that colour-blind readers can distinguish.
var colours = map[string]string{
	contest.Docent: "#0072b2", contest.GoZK: "#e69f00", contest.Curator: "#d55e00", contest.Kazoo: "#009e73", contest.Etcd: "#cc79a7",
	contest.Loader: "#888888",
}

func colour(peer string) string {
	if c, ok := colours[peer]; ok {
		return c
	}
	return "#56b4e9"
}

// canvas collects the elements of a picture.
type canvas struct {
	strings.Builder
	width, height float64
}

func (c *canvas) line(x1, y1, x2, y2 float64, stroke string, width float64) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"/>`+"\n", x1, y1, x2, y2, stroke, width)
}

func (c *canvas) dot(x, y, r float64, fill, title string) {
	fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"><title>%s</title></circle>`+"\n", x, y, r, fill, html.EscapeString(title))
}

func (c *canvas) text(x, y float64, anchor, fill, text string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, fill, html.EscapeString(text))
}

// String returns the picture, on white.
func (c *canvas) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n"+
		`<rect width="100%%" height="100%%" fill="#ffffff"/>`+"\n%s</svg>\n", c.width, c.height, c.Builder.String())
}

const (
	dark  = "#222222"
	light = "#dddddd"
	label = 230.0 // width of the names on the left
	plotW = 560.0
	rowH  = 20.0
	top   = 56.0
)

// logScale maps figures to a length, by their logarithm.
type logScale struct{ low, high, from, to float64 }

// newLogScale takes whole powers of ten around the figures, which are positive.
func newLogScale(figures []float64, from, to float64) logScale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, f := range figures {
		low, high = min(low, math.Log10(f)), max(high, math.Log10(f))
	}
	if low > high {
		low, high = 0, 1
	}
	low, high = math.Floor(low+1e-9), math.Ceil(high-1e-9)
	if low == high {
		high++
	}
	return logScale{low, high, from, to}
}

func (s logScale) at(v float64) float64 {
	return s.from + (math.Log10(v)-s.low)/(s.high-s.low)*(s.to-s.from)
}

// ticks are the powers of ten.
func (s logScale) ticks() []float64 {
	var all []float64
	for e := s.low; e <= s.high+1e-9; e++ {
		all = append(all, math.Pow(10, e))
	}
	return all
}

// power shows a power of ten.
func power(v float64) string {
	if v >= 1000 {
		return digits0(v)
	}
	return fmt.Sprint(math.Round(v*1e6) / 1e6)
}

// better is how many times better docent is than a peer: above 1 in any metric.
func better(m contest.Metric, ratio float64) float64 {
	if m.More {
		return ratio
	}
	return 1 / ratio
}

// overview draws, for the first metric of each case, how many times better docent is than each peer, with the quartiles.
func overview(r contest.Report) string {
	var rows []contest.Row
	seen := map[string]bool{}
	var figures []float64
	for _, row := range r.Rows() {
		id := row.Result.ID + " " + row.Result.Condition
		if seen[id] {
			continue
		}
		seen[id] = true
		rows = append(rows, row)
		for _, c := range row.Cells {
			if drawn(c) {
				figures = append(figures, better(row.Metric, c.Ratio.Median))
			}
		}
	}
	c := &canvas{width: label + plotW + 30, height: top + rowH*float64(len(rows)) + 20}
	scale := newLogScale(append(figures, 0.5, 2), label, label+plotW)
	c.text(label, 16, "start", dark, "How many times better docent is than each peer: less time, or a higher rate. 1 is the same.")
	legend(c, columns(r)[1:])
	bottom := top + rowH*float64(len(rows))
	for _, tick := range scale.ticks() {
		x := scale.at(tick)
		stroke := light
		if tick == 1 {
			stroke = dark
		}
		c.line(x, top-4, x, bottom, stroke, 1)
		c.text(x, bottom+15, "middle", dark, power(tick))
	}
	for i, row := range rows {
		overviewRow(c, row, scale, top+rowH*(float64(i)+0.5))
	}
	return c.String()
}

// drawn reports whether a cell has a ratio that can be drawn.
func drawn(c contest.Cell) bool { return c.Ratio.N > 0 && c.Ratio.Median > 0 && c.Ratio.Low > 0 }

func overviewRow(c *canvas, row contest.Row, scale logScale, y float64) {
	name := row.Result.ID + ": " + row.Metric.Name + ", " + row.Result.Condition
	c.text(label-8, y+4, "end", dark, name)
	c.line(label, y, label+plotW, y, "#f0f0f0", 1)
	for _, cell := range row.Cells {
		if !drawn(cell) {
			continue
		}
		low, high := better(row.Metric, cell.Ratio.Low), better(row.Metric, cell.Ratio.High)
		c.line(clamp(scale, low), y, clamp(scale, high), y, colour(cell.Peer), 2)
		c.dot(scale.at(better(row.Metric, cell.Ratio.Median)), y, 4, colour(cell.Peer),
			fmt.Sprintf("%s, beside %s: %s", name, cell.Peer, Ratio(cell.Ratio)))
	}
}

// clamp keeps a quartile within the picture.
func clamp(s logScale, v float64) float64 {
	return max(min(s.from, s.to), min(max(s.from, s.to), s.at(v)))
}

func legend(c *canvas, peers []string) {
	x := label
	for _, p := range peers {
		c.dot(x+4, 32, 4, colour(p), p)
		c.text(x+12, 36, "start", dark, p)
		x += 24 + 7*float64(len(p))
	}
}

// growthPlot draws the first metric of a series, both axes by their logarithm, with the fitted laws as lines.
func growthPlot(g contest.Growth) string {
	const height = 320.0
	c := &canvas{width: label + plotW - 60, height: top + height + 40}
	m := g.Series.Metrics[0]
	var allSizes, allCosts []float64
	for _, curve := range g.Curves {
		sizes, costs := positive(curve.Costs(m))
		allSizes, allCosts = append(allSizes, sizes...), append(allCosts, costs...)
	}
	c.text(20, 16, "start", dark, g.Title+": "+m.Name+" against "+g.Of)
	left := 90.0
	x := newLogScale(allSizes, left, c.width-190)
	y := newLogScale(allCosts, top+height, top)
	for _, tick := range x.ticks() {
		c.line(x.at(tick), top, x.at(tick), top+height, light, 1)
		c.text(x.at(tick), top+height+18, "middle", dark, power(tick))
	}
	for _, tick := range y.ticks() {
		c.line(left, y.at(tick), x.to, y.at(tick), light, 1)
		c.text(left-8, y.at(tick)+4, "end", dark, Number(tick, m.Unit))
	}
	for i, curve := range g.Curves {
		growthCurve(c, curve, m, x, y, top+20*float64(i))
	}
	return c.String()
}

func growthCurve(c *canvas, curve contest.Curve, m contest.Metric, x, y logScale, legendY float64) {
	sizes, costs := positive(curve.Costs(m))
	paint := colour(curve.Peer)
	for i := range sizes {
		c.dot(x.at(sizes[i]), y.at(costs[i]), 4, paint, fmt.Sprintf("%s, %s: %s", curve.Peer, digits0(sizes[i]), Number(costs[i], m.Unit)))
	}
	exponent := ""
	if law, ok := curve.Fit(m); ok {
		first, last := sizes[0], sizes[len(sizes)-1]
		c.line(x.at(first), clamp(y, law.At(first)), x.at(last), clamp(y, law.At(last)), paint, 1.5)
		exponent = fmt.Sprintf(": n^%.2f", law.Exponent)
	}
	c.dot(x.to+16, legendY, 4, paint, curve.Peer)
	c.text(x.to+24, legendY+4, "start", dark, curve.Peer+exponent)
}

// positive leaves out what a logarithm does not know.
func positive(sizes, costs []float64) (s, c []float64) {
	for i := range sizes {
		if sizes[i] > 0 && costs[i] > 0 {
			s, c = append(s, sizes[i]), append(c, costs[i])
		}
	}
	return s, c
}
