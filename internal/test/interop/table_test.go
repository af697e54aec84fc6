package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// table shows what several participants have cost. Rows and columns come in the order in which they were added first.
type table struct {
	of      string
	rows    []string
	columns []string
	cells   map[[2]string]string // by row and column
}

func (t *table) add(row, column, value string) {
	if t.cells == nil {
		t.cells = map[[2]string]string{}
	}
	if !slices.Contains(t.rows, row) {
		t.rows = append(t.rows, row)
	}
	if !slices.Contains(t.columns, column) {
		t.columns = append(t.columns, column)
	}
	t.cells[[2]string{row, column}] = value
}

// String is the table as text, each row behind a bar, so that it is one of Markdown, too.
func (t *table) String() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 1, ' ', 0)
	line := func(first string, cell func(column string) string) {
		_, _ = fmt.Fprintf(w, "| %s", first)
		for _, c := range t.columns {
			_, _ = fmt.Fprintf(w, "\t| %s", cell(c))
		}
		_, _ = fmt.Fprintln(w, "\t|")
	}
	line(t.of, func(column string) string { return column })
	line("---", func(string) string { return "---" })
	for _, row := range t.rows {
		line(row, func(column string) string { return t.cells[[2]string{row, column}] })
	}
	_ = w.Flush()
	return text.String()
}

// show writes a table to the log of a test, or, because logs of benchmarks are cut off, among the results of those.
func (w *world) show(t *table) {
	w.t.Helper()
	if _, benchmark := w.t.(*testing.B); benchmark {
		fmt.Printf("\n%s\n", t)
		return
	}
	w.t.Logf("\n%s", t)
}
