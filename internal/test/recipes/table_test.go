package recipes_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

var update = flag.Bool("update", false, "write the table of recipes into the documents")

// The table stands between these lines.
const (
	tableBegins = "<!-- recipes: made by go test ./internal/test/recipes -run TestTable -update -->\n"
	tableEnds   = "<!-- end of recipes -->\n"
)

// The documents show the table that follows from the declarations.
func TestTable(t *testing.T) {
	table := table(t)
	path := filepath.Join("..", "..", "..", "docs", "guarantees.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), tableBegins)
	require.True(t, ok, "%s has no place for the table", path)
	_, after, ok := strings.Cut(rest, tableEnds)
	require.True(t, ok, "the table in %s has no end", path)
	want := before + tableBegins + "\n" + table + "\n" + tableEnds + after
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "%s is out of date; run: go test ./internal/test/recipes -run TestTable -update", path)
}

// table is the table of recipes in Markdown.
func table(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| recipe | SUSPENDED | LOST | READ-ONLY | you may choose |\n|---|---|---|---|---|\n")
	for _, r := range recipes() {
		p := r.ways[0].policy
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n",
			r.name, r.cell(t, p.OnSuspended), r.cell(t, p.OnLost), r.readOnly(t, p.OnReadOnly), r.choices(t))
	}
	return b.String()
}

// cell says what a reaction is, and what it means for the recipe.
func (r recipe) cell(t *testing.T, reaction framework.Reaction) string {
	require.NotEmpty(t, r.means[reaction], "%s declares %v, and nothing says what that means", r.name, reaction)
	return fmt.Sprintf("**%v**: %s", reaction, r.means[reaction])
}

// readOnly is the cell for sessions of read-only servers, in which most recipes have nothing to do.
func (r recipe) readOnly(t *testing.T, reaction framework.Reaction) string {
	if reaction == 0 {
		return "waits"
	}
	return r.cell(t, reaction)
}

// choices says what the options change, each with the reactions that it changes.
func (r recipe) choices(t *testing.T) string {
	var list []string
	for _, w := range r.ways[1:] {
		var changed []string
		if to := w.policy.OnSuspended; to != r.ways[0].policy.OnSuspended {
			changed = append(changed, r.cell(t, to))
		}
		if to := w.policy.OnLost; to != r.ways[0].policy.OnLost {
			changed = append(changed, r.cell(t, to))
		}
		require.NotEmpty(t, changed, "%s of %s changes nothing", w.option, r.name)
		list = append(list, fmt.Sprintf("`%s` → %s", w.option, strings.Join(changed, "; ")))
	}
	return strings.Join(list, "<br>")
}
