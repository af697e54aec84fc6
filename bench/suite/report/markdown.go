package report

import (
	"fmt"
	"strings"

	"github.com/docent-zk/docent/bench/suite/contest"
)

// Markdown is the report as a page.
func Markdown(name string, r contest.Report, plots []plot) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Docent beside its peers\n\n")
	fmt.Fprintf(&b, "Measured on %s in %s. To run it again, in bench/suite: `%s`. The figures of every turn are in [%s.json](%s.json).\n\n",
		r.Began.Format("2006-01-02"), r.Took, strings.TrimSpace(r.Command), name, name)
	b.WriteString(howToRead)
	if rows := grid(r); len(rows) > 1 {
		markdownTable(&b, rows)
	}
	for _, p := range plots {
		fmt.Fprintf(&b, "![%s](%s)\n\n", p.title, p.file)
	}
	if rows := growthGrid(r); len(rows) > 0 {
		b.WriteString("## Growth\n\nCost against size as a power of it, fitted by least squares on logarithms, with the standard error of the exponent.\n\n")
		markdownTable(&b, rows)
	}
	b.WriteString("## What was measured\n\n")
	markdownTable(&b, workloads(r))
	markdownTable(&b, conditions(r))
	b.WriteString("## Where\n\n")
	markdownTable(&b, machine(r))
	for _, text := range remarks(r) {
		fmt.Fprintf(&b, "- %s\n", strings.Join(strings.Fields(text), " "))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

const howToRead = "Each cell has the median over all rounds. A peer's cell also has docent's figure divided by the peer's: the " +
	"median of the ratios of all rounds, with their quartiles in brackets. Below 1, docent needs less. For rates, docent does more " +
	"above 1. An aim that docent misses is in parentheses.\n\n"

func markdownTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, c := range row {
			cells[j] = strings.ReplaceAll(strings.Join(strings.Fields(c), " "), "|", "\\|")
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintf(b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	b.WriteString("\n")
}

// workloads lists the workloads and what each peer uses for them.
func workloads(r contest.Report) [][]string {
	rows, seen := [][]string{{"workload", "what", "with"}}, map[string]bool{}
	for _, result := range r.Results {
		if seen[result.ID] {
			continue
		}
		seen[result.ID] = true
		var with []string
		for _, s := range result.Sides {
			with = append(with, s.Peer+": "+s.With)
		}
		rows = append(rows, []string{result.ID, result.Title, strings.Join(with, ", ")})
	}
	for _, g := range r.Growth {
		var with []string
		for _, c := range g.Curves {
			with = append(with, c.Peer+": "+c.With)
		}
		rows = append(rows, []string{g.ID, g.Title, strings.Join(with, ", ")})
	}
	return rows
}

// conditions says what those of the report mean.
func conditions(r contest.Report) [][]string {
	rows, seen := [][]string{{"network, disk", "what"}}, map[string]bool{}
	for _, result := range r.Results {
		if !seen[result.Condition] {
			seen[result.Condition] = true
			rows = append(rows, []string{result.Condition, result.Means})
		}
	}
	return rows
}

func machine(r contest.Report) [][]string {
	m := r.Machine
	rows := [][]string{
		{"machine", ""}, {"processors", fmt.Sprintf("%d x %s", m.Processors, m.Processor)}, {"memory", m.Memory}, {"system", m.System},
		{"disk for fsync", m.Disk}, {"load when it began", m.Load}, {"docent", m.Docent}, {"ZooKeeper", m.ZooKeeper}, {"etcd", m.Etcd},
		{"Java", m.Java}, {"Go", m.Go}, {"slices", fmt.Sprintf("%v, %d rounds; units of work: %d rounds", r.Plan.Slice, r.Plan.Rounds, r.Plan.Units)},
	}
	for _, p := range r.Peers {
		if p.Missing == "" {
			rows = append(rows, []string{"peer " + p.Name, strings.TrimSpace(p.Version + ", " + p.Runtime)})
		}
	}
	return rows
}
