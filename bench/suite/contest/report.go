package contest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/bench/suite/ground"
)

// Report is everything that a run of the benchmark has given. It is written as JSON, with the figures of every turn.
type Report struct {
	Began   time.Time      `json:"began"`
	Took    string         `json:"took"`
	Command string         `json:"command"` // that runs it again
	Machine ground.Machine `json:"machine"`
	Plan    Plan           `json:"plan"`
	Peers   []About        `json:"peers"`
	Results []Result       `json:"results"`
	Growth  []Growth       `json:"growth,omitempty"`
	// Troubles are what went wrong with servers. What was to be measured on them is missing.
	Troubles []string `json:"troubles,omitempty"`
	// Unfinished says how far the run has come; empty if it was completed.
	Unfinished string `json:"unfinished,omitempty"`
}

// Read reads a report from its JSON. It leaves out cases and series that no longer exist.
func Read(raw []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, err
	}
	cases, series := map[string]*Case{}, map[string]*Series{}
	for _, c := range Cases() {
		cases[c.ID] = c
	}
	for _, s := range AllSeries() {
		series[s.ID] = s
	}
	for i := range r.Results {
		r.Results[i].Case = cases[r.Results[i].ID]
	}
	for i := range r.Growth {
		r.Growth[i].Series = series[r.Growth[i].ID]
	}
	r.Results = slices.DeleteFunc(r.Results, func(one Result) bool { return one.Case == nil })
	r.Growth = slices.DeleteFunc(r.Growth, func(one Growth) bool { return one.Series == nil })
	return r, nil
}

// Slow says which peers have taken fewer turns than others in a case, because theirs are long.
func (r Report) Slow() []string {
	var all []string
	for _, result := range r.Results {
		most := 0
		for _, side := range result.Sides {
			most = max(most, len(side.Turns))
		}
		for _, side := range result.Sides {
			if n := len(side.Turns); side.Error == "" && n < most {
				all = append(all, fmt.Sprintf("%s, %s: %s has taken %d of %d turns", result.ID, result.Condition, side.Peer, n, most))
			}
		}
	}
	return all
}

// Cell is a metric of one peer, beside docent's.
type Cell struct {
	Peer   string
	With   string
	Error  string // why there are no figures
	Figure Spread
	// Ratio is docent's figure divided by this one, round by round. It is empty (N is 0) for docent itself.
	Ratio Spread
	// Aim is what the median of Ratio was to reach, or docent's own figure; 0 for no aim.
	Aim float64
	// Reached says whether it has.
	Reached bool
}

// Row is a metric of a case, of all peers.
type Row struct {
	Result Result
	Metric Metric
	Cells  []Cell
}

// Rows makes the table.
func (r Report) Rows() []Row {
	var rows []Row
	for _, result := range r.Results {
		for _, m := range result.Case.Metrics {
			if row, ok := result.row(m); ok {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

// row returns the row of a metric, and false if nobody has a figure.
func (r Result) row(m Metric) (row Row, any bool) {
	row = Row{Result: r, Metric: m}
	ours, compared := r.Side(Docent)
	for _, side := range r.Sides {
		cell := Cell{Peer: side.Peer, With: side.With, Error: side.Error}
		if side.Error == "" {
			cell.Figure = SpreadOf(side.Figures(m))
			any = any || cell.Figure.N > 0
		}
		if side.Peer != Docent && side.Error == "" && compared {
			cell.Ratio = SpreadOf(ratios(ours.Figures(m), side.Figures(m)))
			cell.Aim = m.Aims[side.Peer]
			cell.Reached = reached(m, cell)
		}
		if side.Peer == Docent && side.Error == "" {
			cell.Aim, cell.Reached = m.Most, cell.Figure.Median <= m.Most
		}
		row.Cells = append(row.Cells, cell)
	}
	return row, any
}

func reached(m Metric, c Cell) bool {
	if c.Aim == 0 || c.Ratio.N == 0 {
		return false
	}
	if m.More {
		return c.Ratio.Median >= c.Aim
	}
	return c.Ratio.Median <= c.Aim
}

// Failures are the sides that took part and went wrong.
func (r Report) Failures() []string {
	missing := map[string]bool{}
	for _, p := range r.Peers {
		missing[p.Name] = p.Missing != ""
	}
	all := slices.Clone(r.Troubles)
	for _, result := range r.Results {
		for _, side := range result.Sides {
			if side.Error != "" && !missing[side.Peer] {
				all = append(all, result.ID+", "+result.Condition+": "+side.Peer+": "+side.Error)
			}
		}
	}
	for _, g := range r.Growth {
		all = append(all, g.failures()...)
	}
	return all
}
