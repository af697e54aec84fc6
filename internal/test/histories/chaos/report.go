//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// recovery is how long a worker was without a success of one recipe after a fault.
type recovery struct {
	role  string
	fault string
	took  time.Duration
}

// recoveries finds, for each fault, recipe and worker that it concerns, the first success after it. One that never came is
// no recovery: settle waits for the last ones.
func recoveries(o *Outcome) []recovery {
	type place struct {
		role   string
		worker int
	}
	done := make(map[place][]Nanos)
	for _, r := range o.Records {
		if r.Op == Done {
			done[place{r.Role, r.Worker}] = append(done[place{r.Role, r.Worker}], r.To)
		}
	}
	for _, times := range done {
		slices.Sort(times)
	}
	var all []recovery
	for _, f := range o.Faults {
		for p, times := range done {
			if f.Worker >= 0 && f.Worker != p.worker {
				continue
			}
			if i, _ := slices.BinarySearch(times, f.After); i < len(times) {
				all = append(all, recovery{p.role, f.Kind, times[i].Sub(f.After)})
			}
		}
	}
	return all
}

// group is a line of a table of recoveries.
type group struct {
	name  string
	after string // the fault before the longest
	times []time.Duration
}

func groupBy(all []recovery, name, after func(recovery) string) []*group {
	groups := make(map[string]*group)
	slices.SortFunc(all, func(a, b recovery) int { return cmp.Compare(a.took, b.took) })
	for _, r := range all {
		g := groups[name(r)]
		if g == nil {
			g = &group{name: name(r)}
			groups[name(r)] = g
		}
		g.times, g.after = append(g.times, r.took), after(r)
	}
	return slices.SortedFunc(maps.Values(groups), func(a, b *group) int { return cmp.Compare(a.name, b.name) })
}

// quantile is of times in order.
func (g *group) quantile(q float64) time.Duration {
	return g.times[int(q*float64(len(g.times)-1))].Round(time.Millisecond)
}

// Report is the table of a run, in Markdown.
func Report(o *Outcome, v *Verdict) string {
	var b strings.Builder
	o.summary(&b, v)
	all := recoveries(o)
	role, fault := func(r recovery) string { return r.role }, func(r recovery) string { return r.fault }
	rounds, failed := o.count(Done), o.count(Failed)
	b.WriteString("\n| recipe | succeeded | failed | recovered | p50 | p99 | max | the longest was after |\n|---|---|---|---|---|---|---|---|\n")
	for _, g := range groupBy(all, role, fault) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %v | %v | %v | %s |\n", g.name, rounds[g.name], failed[g.name], len(g.times),
			g.quantile(0.5), g.quantile(0.99), g.quantile(1), g.after)
	}
	times := make(map[string]int)
	for _, f := range o.Faults {
		times[f.Kind]++
	}
	b.WriteString("\n| fault | times | recovered | p50 | p99 | max | the longest was of |\n|---|---|---|---|---|---|---|\n")
	for _, g := range groupBy(all, fault, role) {
		fmt.Fprintf(&b, "| %s | %d | %d | %v | %v | %v | %s |\n", g.name, times[g.name], len(g.times),
			g.quantile(0.5), g.quantile(0.99), g.quantile(1), g.after)
	}
	return b.String()
}

func (o *Outcome) count(op Op) map[string]int {
	n := make(map[string]int)
	for _, r := range o.Records {
		if r.Op == op {
			n[r.Role]++
		}
	}
	return n
}

// summary is what the run amounts to, fact by fact.
func (o *Outcome) summary(b *strings.Builder, v *Verdict) {
	total := 0
	for _, n := range o.count(Done) {
		total += n
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(b, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString("| what | how much |\n|---|---|\n")
	line("time", "%v of faults, and %v until everybody had recovered, let go and ended",
		o.Calm.Sub(o.Begun).Round(time.Second), o.Last.Sub(o.Calm).Round(time.Second))
	line("processes", "%d servers and %d workers", servers, o.Workers)
	line("faults", "%d", len(o.Faults))
	line("rounds that succeeded", "%d", total)
	line("tenures", "%d", v.Tenures)
	line("two holders, both looking at their contexts", "%d", v.looking())
	line("overlaps without guard", "%s", causes(v.Overlaps))
	line("guarded writes", "%d applied, %d refused because the claim was over, %d not sent, %d of unknown outcome",
		v.Writes[Applied], v.Writes[Refused], v.Writes[Unsent], v.Writes[Unknown])
	line("of those of unknown outcome, applied by the logs", "%d", v.Settled)
	line("writes by a former holder, lost writes", "%d", v.counted("former holder", "lost", "no server has logged", "versions"))
	line("histories by porcupine", "%d linearizable, %d undecided, %d operations", v.Histories, v.Undecided, v.Operations)
	line("violations", "%d", len(v.Violations))
}

// counted is how many violations contain one of the words.
func (v *Verdict) counted(words ...string) (n int) {
	for _, text := range v.Violations {
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) }) {
			n++
		}
	}
	return n
}

// looking counts overlaps in which both holders looked at their contexts: violations, and those with a cause that docs/guarantees.md names.
func (v *Verdict) looking() int {
	n := v.counted("two hold", "permits of")
	for _, o := range v.Overlaps {
		if o.Cause == causeMachine || o.Cause == causeServer {
			n++
		}
	}
	return n
}

// causes lists overlaps by cause, with their lengths.
func causes(overlaps []Overlap) string {
	by := make(map[string][]time.Duration)
	for _, o := range overlaps {
		by[o.Cause] = append(by[o.Cause], o.Length)
	}
	if len(by) == 0 {
		return "0"
	}
	var parts []string
	for _, cause := range slices.Sorted(maps.Keys(by)) {
		lengths := by[cause]
		slices.Sort(lengths)
		parts = append(parts, fmt.Sprintf("%d: %s, %v at the median and %v at most", len(lengths), cause,
			lengths[len(lengths)/2].Round(time.Millisecond), lengths[len(lengths)-1].Round(time.Millisecond)))
	}
	return strings.Join(parts, "; ")
}

// Reasons are the most frequent failures of rounds, for whoever looks at a run.
func Reasons(o *Outcome) string {
	n := make(map[string]int)
	for _, r := range o.Records {
		if r.Op == Failed {
			n[fmt.Sprintf("%s\t%.200s", r.Role, r.Result)]++
		}
	}
	reasons := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, reason := range reasons[:min(len(reasons), 40)] {
		fmt.Fprintf(table, "%d\t%s\n", n[reason], reason)
	}
	_ = table.Flush()
	return b.String()
}
