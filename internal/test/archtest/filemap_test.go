package archtest

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unmapped are directories whose files the map leaves out, with all below them: programs, and tests' own packages with a doc.go that explains them.
var unmapped = regexp.MustCompile(`^(examples|bench|internal/test/sim|internal/test/realzk)(/|$)`)

// variant is what a file's name ends with if it is for some operating systems only.
var variant = regexp.MustCompile(`_(linux|darwin|windows|unix|bsd|other)\.go$`)

var (
	mapHeading = regexp.MustCompile(`^### ([a-z/0-9]+)$`)
	mapFile    = regexp.MustCompile(`[\w/]+\.go\b`)
)

// mappedFiles returns the files that the map of a page names, by path. A heading that is a path is the directory of what comes below it. Only the first
// column of a table counts.
func mappedFiles(page string) map[string]int {
	files := map[string]int{}
	_, section, _ := strings.Cut(page, "\n## File map\n")
	dir := ""
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			dir = ""
			if m := mapHeading.FindStringSubmatch(line); m != nil {
				dir = m[1]
			}
			continue
		}
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, name := range mapFile.FindAllString(cells[1], -1) {
				files[path.Join(dir, name)]++
			}
		}
	}
	return files
}

// filesToMap returns the paths of the files that the map is to name.
func filesToMap(t *tree) map[string]bool {
	files := map[string]bool{}
	for _, f := range t.files {
		if !f.test && path.Base(f.path) != "doc.go" && !unmapped.MatchString(f.dir) {
			files[variant.ReplaceAllString(f.path, ".go")] = true
		}
	}
	return files
}

func TestFileMapNamesEveryFileOnce(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root(t), "docs", "design.md"))
	require.NoError(t, err)
	tree, err := load(os.DirFS(root(t)))
	require.NoError(t, err)
	mapped := mappedFiles(string(page))
	files := filesToMap(tree)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		assert.Positive(t, mapped[name], "%s is not in the file map of docs/design.md", name)
	}
	for name, n := range mapped {
		assert.True(t, files[name], "the file map of docs/design.md has %s, which does not exist", name)
		assert.Equal(t, 1, n, "the file map of docs/design.md has %s %d times", name, n)
	}
}

func TestFileMapIsRead(t *testing.T) {
	const page = "# Design\n| a.go | before the map |\n\n## File map\n\nSuch as sleep_linux.go.\n\n### lock\n\n| files | |\n|---|---|\n" +
		"| mutex.go, held.go | see do.go |\n| held.go | again |\n\n### Other packages\n\n| internal/jute/op.go | opcodes |\n"
	assert.Equal(t, map[string]int{"lock/mutex.go": 1, "lock/held.go": 2, "internal/jute/op.go": 1}, mappedFiles(page))

	tree := loadSources(t, sources{
		"lock/doc.go": "package lock", "lock/held.go": "package lock", "lock/held_test.go": "package lock", "lock/do_other.go": "package lock",
		"lock/do_linux.go": "package lock", "internal/test/sim/play.go": "package sim", "examples/lock/main.go": "package main",
	})
	assert.Equal(t, map[string]bool{"lock/held.go": true, "lock/do.go": true}, filesToMap(tree))
}
