package compat_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

var update = flag.Bool("update", false, "write the tables into docs/compatibility.md")

// version is one of ZooKeeper, "3.5.3".
type version string

// columns are the versions of the table. The one that was run is what realzk starts.
var columns = []struct {
	version version
	name    string
}{
	{"3.5.10", "3.5"}, {"3.6.4", "3.6"}, {"3.7.2", "3.7"}, {"3.8.4", "3.8, tested"}, {"3.9.3", "3.9"},
}

// has reports whether servers of version v have what there is since another version.
func (v version) has(since version) bool {
	var a, b [3]int
	_, err := fmt.Sscanf(string(v), "%d.%d.%d", &a[0], &a[1], &a[2])
	_, err2 := fmt.Sscanf(string(since), "%d.%d.%d", &b[0], &b[1], &b[2])
	if err := cmp.Or(err, err2); err != nil {
		panic(err)
	}
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return true
}

// Servers that have a capability are used as they are. The real server is one of them.
func TestCapabilitiesOfServersThatHaveThemAreUsed(t *testing.T) {
	for _, c := range capabilities {
		t.Run(c.name, func(t *testing.T) {
			t.Run("zktest", func(t *testing.T) {
				server := zktest.Config{}
				if c.with != nil {
					c.with(&server)
				}
				onZktest(t, server, c.client, func(p *player) {
					require.NoError(p, c.use(p))
					require.Empty(p, p.cli.Info().Lacks)
				})
			})
			if c.local || !version("3.8.4").has(c.since) {
				return
			}
			t.Run("real", func(t *testing.T) {
				t.Parallel()
				onAServer(t, shared(t), c.client, func(p *player) {
					require.NoError(p, c.use(p))
					require.Empty(p, p.cli.Info().Lacks)
				})
			})
		})
	}
}

// capabilitiesTable is the first table in Markdown.
func capabilitiesTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| capability | docent uses it for |")
	for _, col := range columns {
		fmt.Fprintf(&b, " %s |", col.name)
	}
	b.WriteString(" ClickHouse Keeper | without the capability |\n|---|---|" + strings.Repeat("---|", len(columns)+2) + "\n")
	for _, c := range capabilities {
		fmt.Fprintf(&b, "| %s | %s |", c.name, c.needs)
		for _, col := range columns {
			fmt.Fprintf(&b, " %s |", c.in(col.version))
		}
		fmt.Fprintf(&b, " %s | %s |\n", c.keeper, c.played(t))
	}
	return b.String()
}

// in says whether servers of a version have the capability.
func (c capability) in(v version) string {
	switch {
	case !v.has(c.since):
		return "no"
	case c.option != "":
		return "with " + c.option
	}
	return "yes"
}

// played says what docent does on a server without the capability.
func (c capability) played(t *testing.T) (cell string) {
	server := zktest.Config{}
	if c.without != nil {
		c.without(&server)
	}
	onZktest(t, server, c.client, func(p *player) {
		if c.spoil != nil {
			c.spoil(p.srv)
		}
		err := c.use(p)
		lacks := p.cli.Info().Lacks
		switch {
		case err != nil:
			cell = fmt.Sprintf("refused: `%v`", err)
		case c.instead != "":
			require.Empty(p, lacks)
			cell = "falls back: " + c.instead
		default:
			require.Len(p, lacks, 1, "docent has learnt nothing, and so has not met what is missing")
			cell = "falls back: " + lacks[0].Instead
		}
	})
	return cell
}

// The document shows what was seen.
func TestTables(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "compatibility.md")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(raw)
	for name, table := range map[string]string{"capabilities": capabilitiesTable(t), "answers": answersTable(t)} {
		begins, ends := fmt.Sprintf("<!-- %s: made by go test ./internal/test/compat -run TestTables -update -->\n", name), fmt.Sprintf("<!-- end of %s -->\n", name)
		before, rest, ok := strings.Cut(text, begins)
		require.True(t, ok, "there is no place for %s", name)
		_, after, ok := strings.Cut(rest, ends)
		require.True(t, ok, "%s has no end", name)
		text = before + begins + "\n" + table + "\n" + ends + after
	}
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return
	}
	require.Equal(t, text, string(raw), "docs/compatibility.md is out of date; run: go test ./internal/test/compat -run TestTables -update")
}
