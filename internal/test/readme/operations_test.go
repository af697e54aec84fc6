package readme

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	fencedYAML = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	logLine    = regexp.MustCompile("(?m)\\bLog: (`[^`]+`[^.:]*)")
	codeSpan   = regexp.MustCompile("`([^`]+)`")
)

// read returns the text of a file, given from the root.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	require.NoError(t, err)
	return string(text)
}

// dedent takes the indentation of the first line from all lines.
func dedent(lines []string) string {
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], " "))
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line[min(indent, len(line)):] + "\n")
	}
	return b.String()
}

// contains reports whether some consecutive lines of text are excerpt, indented or not.
func contains(text, excerpt string) bool {
	lines, want := strings.Split(text, "\n"), strings.Count(excerpt, "\n")
	for i := 0; i+want <= len(lines); i++ {
		if dedent(lines[i:i+want]) == excerpt {
			return true
		}
	}
	return false
}

// YAML in the guide is an excerpt of a manifest in deploy.
func TestYAMLIsFromManifests(t *testing.T) {
	manifests := read(t, "deploy/kubernetes/worker.yaml") + read(t, "deploy/kubernetes/zookeeper.yaml")
	excerpts := fencedYAML.FindAllStringSubmatch(read(t, "docs/operations.md"), -1)
	require.NotEmpty(t, excerpts)
	for _, m := range excerpts {
		assert.True(t, contains(manifests, m[1]), "in no manifest:\n%s", m[1])
	}
	assert.False(t, contains(manifests, "kind: None\n"))
}

// The runbook quotes log messages that the code writes.
func TestRunbookQuotesLogs(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	})
	require.NoError(t, err)
	quotes := logLine.FindAllStringSubmatch(read(t, "docs/operations.md"), -1)
	require.NotEmpty(t, quotes)
	for _, line := range quotes {
		for _, m := range codeSpan.FindAllStringSubmatch(line[1], -1) {
			literal := `"` + m[1] + `"`
			if state, found := strings.CutPrefix(m[1], "zookeeper connection is "); found {
				literal = `"zookeeper connection is "` // followed by a state
				assert.Contains(t, []string{"Connected", "Suspended", "Reconnected", "Lost"}, state)
			}
			assert.Contains(t, code.String(), literal, "no log line of docent")
		}
	}
}
