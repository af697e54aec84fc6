package archtest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sources are the files of a made-up module, by path. Unless they say
// otherwise it has a go.mod.
type sources map[string]string

// loadSources parses a made-up module.
func loadSources(t *testing.T, files sources) *tree {
	t.Helper()
	fsys := fstest.MapFS{"go.mod": {Data: []byte("module example.org/m\n\ngo 1.25.0\n")}}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := load(fsys)
	require.NoError(t, err)
	return tree
}

// example is a made-up module and what one rule finds in it.
type example struct {
	files sources
	want  []string // findings, in order; each up to where it gets wordy
}

// examples maps every rule to modules that break it in various ways, and to
// modules that come close but do not.
var examples = map[string]map[string]example{
	"parses":       parsesExamples,
	"layers":       layersExamples,
	"dependencies": dependenciesExamples,
	"production":   productionExamples,
	"go version":   goVersionExamples,
	"package doc":  packageDocExamples,
	"exported doc": exportedDocExamples,
	"public api":   publicAPIExamples,
	"seam":         seamExamples,
	"driver":       driverExamples,
	"sleep":        sleepExamples,
	"file size":    fileSizeExamples,
	"func size":    functionSizeExamples,
	"reminders":    remindersExamples,
	"names":        namesExamples,
	"leak test":    leakTestExamples,
	"passwords":    passwordsExamples,
}

func TestRules(t *testing.T) {
	assert.Len(t, examples, len(rules))
	for rule, check := range rules {
		t.Run(rule, func(t *testing.T) {
			alive := false
			for name, ex := range examples[rule] {
				t.Run(name, func(t *testing.T) {
					tree := loadSources(t, ex.files)
					if rule != "parses" {
						require.Empty(t, tree.broken)
					}
					assertFindings(t, ex.want, check(tree))
				})
				alive = alive || len(ex.want) > 0
			}
			assert.True(t, alive, "no example breaks this rule")
			assert.Empty(t, check(loadSources(t, goodModule)), "in a module that keeps all rules")
		})
	}
}

func assertFindings(t *testing.T, want []string, found []finding) {
	t.Helper()
	var got []string
	for i, f := range found {
		text := f.String()
		if i < len(want) && strings.HasPrefix(text, want[i]) {
			text = want[i]
		}
		got = append(got, text)
	}
	assert.Equal(t, want, got)
}

// goodModule keeps every rule, and has something for each of them to look at.
var goodModule = sources{
	"retry/doc.go": `// Package retry retries.
package retry
`,
	"retry/policy.go": `package retry

import "github.com/cenkalti/backoff/v4"

// Policy is a policy.
type Policy struct {
	// Delay is the delay.
	Delay int
	inner backoff.BackOff
}

// Err reports an error.
func (p *Policy) Err() error { return nil }
`,
	"retry/policy_test.go": `package retry

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"example.org/m/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { time.Sleep(time.Second) })
	require.NoError(t, zktest.Start())
}
`,
	"zktest/doc.go": `// Package zktest is a server.
package zktest

import _ "example.org/m/internal/jute"
`,
	"zktest/start.go": `package zktest

// Start starts it.
func Start() error { return nil }
`,
	"internal/jute/doc.go": `// Package jute is a codec.
package jute
`,
	"framework/doc.go": `// Package framework is a framework.
package framework

import (
	_ "example.org/m/retry"
	_ "github.com/go-zookeeper/zk"
)
`,
	"examples/lock/main.go": `// Lock shows a lock.
package main

import _ "example.org/m/framework"

func main() {}
`,
}

func TestGoodModuleIsSeen(t *testing.T) {
	tree := loadSources(t, goodModule)
	var paths []string
	for _, f := range tree.files {
		paths = append(paths, f.path)
	}
	assert.Equal(t, slices.Sorted(maps.Keys(goodModule)), paths)
}

// What is not part of the module is left alone.
func TestLoadLeavesOutWhatGoLeavesOut(t *testing.T) {
	bad := "package util // " + "TO" + "DO"
	tree := loadSources(t, sources{
		"a/a.go":                bad,
		"a/testdata/x.go":       bad,
		"vendor/v.go":           bad,
		".hidden/x.go":          bad,
		"_old/x.go":             bad,
		"nested/go.mod":         "module other",
		"nested/deep/nested.go": bad,
		"a/readme.md":           bad,
	})
	assert.Len(t, checkReminders(tree), 1)
	require.Len(t, tree.files, 1)
	assert.Equal(t, "a/a.go", tree.files[0].path)
	assert.Equal(t, "a", tree.files[0].dir)
}

func TestLoadNeedsAModule(t *testing.T) {
	_, err := load(fstest.MapFS{})
	assert.ErrorContains(t, err, "go.mod")
}

func TestFunctionSizes(t *testing.T) {
	var text strings.Builder
	text.WriteString("package p\n")
	for lines := 1; lines <= 20; lines++ {
		text.WriteString("func f" + strings.Repeat("x", lines) + "() {" + strings.Repeat("\n", lines-1) + "}\n")
	}
	tree := loadSources(t, sources{"p/p.go": text.String()})
	got := tree.functionSizes(func(*file) bool { return true })
	assert.Equal(t, sizes{count: 20, median: 10, p95: 19, max: 20}, got)
	assert.Equal(t, "20 functions, lines median 10, p95 19, max 20", got.String())
	assert.Zero(t, tree.functionSizes(func(*file) bool { return false }))
}
