package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/docent-zk/docent/bench/suite/contest"
)

// columns are the peers of the report in the order of the table: docent first.
func columns(r contest.Report) []string {
	names := []string{contest.Docent}
	for _, result := range r.Results {
		for _, side := range result.Sides {
			if !slices.Contains(names, side.Peer) {
				names = append(names, side.Peer)
			}
		}
	}
	rank := []string{contest.Docent, contest.GoZK, contest.Curator, contest.Kazoo, contest.Etcd, contest.Loader}
	slices.SortStableFunc(names, func(a, b string) int { return place(rank, a) - place(rank, b) })
	return names
}

// place puts docent of other checkouts behind docent.
func place(rank []string, name string) int {
	if i := slices.Index(rank, name); i >= 0 {
		return 10 * i
	}
	return 1
}

// grid makes the cells of the table, the head first.
func grid(r contest.Report) [][]string {
	names := columns(r)
	head := []string{"workload", "network, disk", "figure"}
	lines := [][]string{append(head, names...)}
	for _, row := range r.Rows() {
		cells := []string{row.Result.ID, row.Result.Condition, row.Metric.Name}
		for _, name := range names {
			cells = append(cells, cellOf(row, name))
		}
		lines = append(lines, cells)
	}
	return lines
}

func cellOf(row contest.Row, peer string) string {
	for _, c := range row.Cells {
		if c.Peer == peer {
			return cell(c, row.Metric)
		}
	}
	return ""
}

// cell shows a figure. For peers, docent's figure divided by it follows. An aim that was missed is shown.
func cell(c contest.Cell, m contest.Metric) string {
	if c.Error != "" {
		return "no figure"
	}
	text := Number(c.Figure.Median, m.Unit)
	if c.Ratio.N > 0 {
		text += ": " + Ratio(c.Ratio)
	}
	switch {
	case c.Aim == 0 || c.Reached:
	case c.Ratio.N > 0:
		text += " (aim " + ratioDigits(c.Aim) + ")"
	default:
		text += " (aim " + Number(c.Aim, m.Unit) + ")"
	}
	return text
}

// Table prints everything for a terminal.
func Table(out io.Writer, r contest.Report) {
	lines := grid(r)
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, c := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, l := range lines {
		var b strings.Builder
		for i, c := range l {
			fmt.Fprintf(&b, "%-*s  ", widths[i], c)
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
	for _, text := range remarks(r) {
		fmt.Fprintln(out, text)
	}
	for _, l := range growthGrid(r) {
		fmt.Fprintln(out, strings.Join(l, "  "))
	}
	for _, l := range workloads(r)[1:] {
		fmt.Fprintf(out, "%s: %s\n", l[0], l[1])
	}
}

// remarks lists what is missing, the failures, and whose turns are too long to take all of them.
func remarks(r contest.Report) []string {
	var all []string
	if r.Unfinished != "" {
		all = append(all, "The run was not completed: "+r.Unfinished)
	}
	for _, p := range r.Peers {
		if p.Missing != "" {
			all = append(all, p.Name+" did not take part: "+p.Missing)
		}
	}
	for _, failure := range r.Failures() {
		all = append(all, "FAILED: "+failure)
	}
	return append(all, r.Slow()...)
}

// growthGrid makes the cells of the table of growth, the head first. It is empty if nothing grew.
func growthGrid(r contest.Report) [][]string {
	if len(r.Growth) == 0 {
		return nil
	}
	lines := [][]string{{"series", "figure", "peer", "exponent", "smallest", "largest", "remark"}}
	for _, g := range r.Growth {
		for _, m := range g.Series.Metrics {
			for _, c := range g.Curves {
				lines = append(lines, growthCells(g, m, c))
			}
		}
	}
	return lines
}

func growthCells(g contest.Growth, m contest.Metric, c contest.Curve) []string {
	exponent, first, last := "-", "-", "-"
	if law, ok := c.Fit(m); ok {
		exponent = fmt.Sprintf("%.2f", law.Exponent)
		if law.N > 2 {
			exponent += fmt.Sprintf(" ± %.2f", law.StdErr)
		}
		if m.Exponent > 0 && c.Peer == contest.Docent && law.Exponent > m.Exponent {
			exponent += fmt.Sprintf(" (aim %.1f)", m.Exponent)
		}
	}
	if sizes, costs := c.Costs(m); len(sizes) > 0 {
		at := func(i int) string { return fmt.Sprintf("%s at %s", Number(costs[i], m.Unit), digits0(sizes[i])) }
		first, last = at(0), at(len(sizes)-1)
	}
	return []string{g.ID + " " + g.Of, m.Name, c.Peer, exponent, first, last, c.Stopped}
}

// digits0 shows a size.
func digits0(v float64) string { return thousands(fmt.Sprintf("%.0f", v)) }
