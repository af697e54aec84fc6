package main

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// buildFlags are those that these tests were built with: what the mutants stand on has been compiled with them.
var buildFlags []string

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	require.NoError(t, err)
	return dir
}

func planted(t *testing.T) []*mutant {
	t.Helper()
	all, err := read("patches")
	require.NoError(t, err)
	return all
}

// A patch that no longer applies is an error, and so are two that make the same kind of change in the same place.
func TestEveryPatchApplies(t *testing.T) {
	type place struct {
		file, operator string
		line           int
	}
	seen := make(map[place]string)
	for _, m := range planted(t) {
		_, line, err := m.mutate(root(t))
		if assert.NoError(t, err) {
			at := place{m.file, m.operator, line}
			assert.Empty(t, seen[at], "%s is at the same place", m.name)
			seen[at] = m.name
		}
	}
}

func TestTable(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.Equal(t, table(planted(t)), string(text), "go run ./internal/test/mutants -table")
}

// A mutant, another one with each commit.
func TestSample(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles packages again")
	}
	const size = 1
	all := slices.DeleteFunc(planted(t), func(m *mutant) bool { return m.chance != "" })
	l := lab{root(t), t.TempDir(), buildFlags}
	first := int(commit(t) % uint64(len(all)))
	for i := range size {
		m := all[(first+i*len(all)/size)%len(all)]
		v, text, err := l.try(t.Context(), m)
		require.NoError(t, err)
		require.NoError(t, m.judge(v), text)
		t.Logf("%s: %s", m.name, v)
	}
}

// commit is a number that changes with the commit, where there is git.
func commit(t *testing.T) uint64 {
	t.Helper()
	name, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output()
	if err != nil {
		return 0
	}
	sum := sha256.Sum256(name)
	return binary.BigEndian.Uint64(sum[:8]) >> 1
}

func TestPatches(t *testing.T) {
	const text = "a\nb\nc\nb\nc\nd\n"
	_, hunks, err := parseDiff("--- a/f.go\n+++ b/f.go\n@@ -4,2 +4,2 @@ func\n b\n-c\n+C\n")
	require.NoError(t, err)
	changed, line, err := apply(text, hunks)
	require.NoError(t, err)
	assert.Equal(t, "a\nb\nc\nb\nC\nd\n", changed, "the nearest of two places")
	assert.Equal(t, 5, line)
	changed, line, err = apply("b\nc\nd\n", hunks)
	require.NoError(t, err)
	assert.Equal(t, "b\nC\nd\n", changed, "it has moved")
	assert.Equal(t, 2, line)
	_, _, err = apply("a\nb\nx\n", hunks)
	require.ErrorContains(t, err, "no longer there")
	for _, diff := range []string{"", "--- a/f\n+++ b/f\n", "+++ b/f\n+++ b/g\n", "+++ b/f\n@@ -1 +1 @@\n*x\n"} {
		_, _, err := parseDiff(diff)
		require.Error(t, err, diff)
	}
}

func TestHeads(t *testing.T) {
	const diff = "--- a/f.go\n+++ b/f.go\n@@ -1 +1 @@\n-a\n+b\n"
	m, err := parse("x", "what: it breaks\noperator: constant\noracle: go test ./lock -run '^TestA$|B' -v\n\n"+diff)
	require.NoError(t, err)
	assert.Equal(t, []string{"go", "test", "./lock", "-run", "^TestA$|B", "-v"}, m.oracle)
	require.NoError(t, m.judge(killed))
	require.Error(t, m.judge(survived))
	require.Error(t, m.judge(uncompiled))
	m.equivalent = "nobody can see it"
	require.NoError(t, m.judge(survived))
	require.Error(t, m.judge(killed))
	for _, head := range []string{"", "what: x\noperator: y\n", "what: x\noracle: go test ./x\n", "what: x\noperator: y\noracle: make\n", "who: x\n"} {
		_, err := parse("x", head+"\n"+diff)
		require.Error(t, err, head)
	}
}

func TestShards(t *testing.T) {
	all := []*mutant{{name: "a"}, {name: "b"}, {name: "ab"}}
	one, err := choose(all, "1/2", "")
	require.NoError(t, err)
	two, err := choose(all, "2/2", "")
	require.NoError(t, err)
	assert.Equal(t, all, []*mutant{one[0], two[0], one[1]})
	some, err := choose(all, "1/1", "b")
	require.NoError(t, err)
	assert.Len(t, some, 2)
	for _, wrong := range []string{"", "0/2", "3/2", "x"} {
		_, err := choose(all, wrong, "")
		require.Error(t, err)
	}
}
