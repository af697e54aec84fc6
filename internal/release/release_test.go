package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The modules of this repository as they are now.
func here(t *testing.T) *repository {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	r := &repository{root: root, out: t.Output()}
	r.modules, err = publicModules(root)
	require.NoError(t, err)
	return r
}

func TestPublicModulesOfThisRepository(t *testing.T) {
	r := here(t)
	var paths []string
	for _, m := range r.modules {
		paths = append(paths, m.path)
		assert.Empty(t, m.file.Replace, "%s: replace directives belong into its go.work", m.path)
		assert.Equal(t, "1.25.0", m.file.Go.Version, m.path)
	}
	const root = "github.com/docent-zk/docent"
	assert.Equal(t, root, paths[0])
	assert.Subset(t, paths, []string{root + "/cmd/docent", root + "/discovery/grpcresolver", root + "/examples/otel"})
	version, err := r.version()
	require.NoError(t, err)
	assert.NoError(t, validVersion(version, ""), "a version that can be released")
}

// All requirements of every public module are found from an empty module, without a replace directive. make outside compiles them, too.
func TestPublicModulesResolveFromOutside(t *testing.T) {
	r := here(t)
	w, err := r.openWorkshop(t.Context(), t.TempDir(), "off")
	require.NoError(t, err)
	for i, m := range r.modules {
		_, run, err := w.module(t.Context(), fmt.Sprintf("get%d", i))
		require.NoError(t, err)
		_, err = run("mod", "edit", "-require="+m.path+"@"+w.version)
		require.NoError(t, err)
		out, err := run("list", "-m", "all")
		if err != nil && strings.Contains(err.Error(), "GOPROXY=off") {
			t.Skip("a module that it needs is not in the module cache, and tests download nothing")
		}
		require.NoError(t, err)
		assert.Contains(t, out, "\n"+m.path+" "+w.version+"\n", "and not replaced")
		assert.Contains(t, out, "\n"+r.modules[0].path+" "+w.version+"\n")
	}
}

func TestVersions(t *testing.T) {
	for _, c := range []struct{ version, latest, want string }{
		{"v0.1.0", "", ""},
		{"v0.2.0", "v0.1.0", ""},
		{"v1.0.0-rc.1", "v0.9.3", ""},
		{"v1.0.0", "v1.0.0-rc.1", ""},
		{"v0.1.0", "v0.1.0", "is not later than v0.1.0"},
		{"v0.1.9", "v0.2.0", "is not later than v0.2.0"},
		{"v0.2", "", "is not a version"},
		{"0.2.0", "", "is not a version"},
		{"v0.2.0+build", "", "is not a version"},
		{"v2.0.0", "v1.4.0", "module paths"},
	} {
		err := validVersion(c.version, c.latest)
		if c.want == "" {
			assert.NoError(t, err, c)
		} else {
			assert.ErrorContains(t, err, c.want, c)
		}
	}
}

func TestIncompatibleChangesNeedAVersion(t *testing.T) {
	assert.NoError(t, mayBreak("v0.2.0", "v0.1.4"))
	assert.ErrorContains(t, mayBreak("v0.1.5", "v0.1.4"), "minor")
	assert.ErrorContains(t, mayBreak("v1.2.0", "v1.1.0"), "major")
	assert.NoError(t, mayBreak("v1.0.0", "v0.9.0"))
}

func TestChangelog(t *testing.T) {
	const log = "# Changelog\n\n## Unreleased\n\n- A.\n\n## 0.1.0 (2026-01-02)\n\n- B.\n"
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	text, err := renameSection(log, "v0.2.0", now)
	require.NoError(t, err)
	assert.Equal(t, strings.Replace(log, "Unreleased\n", "Unreleased\n\n## 0.2.0 (2026-03-04)\n", 1), text)
	assert.NoError(t, checkChangelog(text, "v0.2.0"))
	assert.NoError(t, checkChangelog(text, "v0.1.0"))
	assert.ErrorContains(t, checkChangelog(log, "v0.2.0"), "no section")
	assert.ErrorContains(t, checkChangelog("## 0.2.0 (2026-03-04)\n\n## 0.1.0\n\n- B.\n", "v0.2.0"), "says nothing")
	assert.ErrorContains(t, checkChangelog("## 0.2.0\n\n- B.\n", "v0.2.0"), "no date")
	again, err := renameSection(text, "v0.2.0", now)
	require.NoError(t, err)
	assert.Equal(t, text, again, "a second time changes nothing")
	_, err = renameSection(text, "v0.3.0", now)
	assert.ErrorContains(t, err, "nothing under Unreleased")
}

func TestPrograms(t *testing.T) {
	assert.Equal(t, []string{"package main\n\nfunc main() {}\n"},
		programsIn("a\n```go\nx()\n```\n```go\npackage main\n\nfunc main() {}\n```\n```sh\npackage main\n```\n"))
}

// play is a repository of two modules, with a first release.
func play(t *testing.T) (dir string, release func(args ...string) (string, error)) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir = t.TempDir()
	write(t, dir, map[string]string{
		"go.mod":          "module example.org/lib\n\ngo 1.25.0\n",
		"lib.go":          "// Package lib is made up.\npackage lib\n\n// F does nothing.\nfunc F() {}\n",
		"CHANGELOG.md":    "# Changelog\n\n## Unreleased\n\n- F.\n",
		"tool/go.mod":     "module example.org/lib/tool\n\ngo 1.25.0\n\nrequire example.org/lib v0.0.1\n",
		"tool/main.go":    "// Tool is made up.\npackage main\n\nimport \"example.org/lib\"\n\nfunc main() { lib.F() }\n",
		"tool/go.work":    "go 1.25.0\n\nuse .\n\nreplace example.org/lib => ..\n",
		"internal/go.mod": "module example.org/lib/internal\n\ngo 1.25.0\n\nreplace example.org/lib => ..\n",
	})
	git(t, dir, "init", "-q")
	commit(t, dir)
	return dir, func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), &out, append([]string{"-root", dir}, args...))
		return out.String(), err
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "git %v: %s", args, out)
	return string(out)
}

func commit(t *testing.T, dir string) {
	t.Helper()
	for _, setting := range [][]string{{"user.name", "A"}, {"user.email", "a@example.org"}, {"commit.gpgsign", "false"}, {"tag.gpgsign", "false"}} {
		git(t, dir, "config", setting[0], setting[1])
	}
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", "a change")
}

func TestReleaseOfTwoModules(t *testing.T) {
	dir, release := play(t)
	_, err := release("check", "v0.1.0")
	require.ErrorContains(t, err, "example.org/lib/tool requires example.org/lib v0.0.1")
	assert.ErrorContains(t, err, "CHANGELOG.md has no section")
	_, err = release("prepare", "v0.1.0")
	require.NoError(t, err)
	_, err = release("tag", "v0.1.0")
	require.ErrorContains(t, err, "the working tree has changes")
	assert.Empty(t, git(t, dir, "tag"))
	commit(t, dir)
	out, err := release("check", "v0.1.0")
	require.NoError(t, err)
	assert.Contains(t, out, "v0.1.0 is ready. Its tags:\n  v0.1.0\n  tool/v0.1.0\n")
	assert.Empty(t, git(t, dir, "tag"), "check changes nothing")
	_, err = release("tag", "v0.1.0")
	require.NoError(t, err)
	assert.Equal(t, "tool/v0.1.0\nv0.1.0\n", git(t, dir, "tag"))
	_, err = release("tag", "v0.1.0")
	assert.ErrorContains(t, err, "v0.1.0 is not later than v0.1.0")

	write(t, dir, map[string]string{"tool/go.mod": "module example.org/lib/tool\n\ngo 1.25.0\n\nrequire example.org/lib v0.1.0\n\nreplace example.org/lib => ..\n"})
	commit(t, dir)
	_, err = release("check", "v0.1.1")
	assert.ErrorContains(t, err, "example.org/lib/tool replaces example.org/lib")
}

func TestBrokenAPINeedsAMinorVersion(t *testing.T) {
	if _, err := exec.LookPath("apidiff"); err != nil {
		t.Skip("apidiff is not installed")
	}
	dir, release := play(t)
	for _, step := range []string{"prepare", "tag"} {
		_, err := release(step, "v0.1.0")
		require.NoError(t, err)
		if step == "prepare" {
			commit(t, dir)
		}
	}
	write(t, dir, map[string]string{"lib.go": "// Package lib is made up.\npackage lib\n\n// F does nothing.\nfunc F(int) {}\n",
		"tool/main.go": "// Tool is made up.\npackage main\n\nimport \"example.org/lib\"\n\nfunc main() { lib.F(1) }\n",
		"CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- F takes a number.\n\n## 0.1.0 (2026-01-02)\n\n- F.\n"})
	commit(t, dir)
	for version, want := range map[string]string{"v0.1.1": "incompatible changes need a new minor version", "v0.2.0": ""} {
		_, err := release("prepare", version)
		require.NoError(t, err)
		commit(t, dir)
		out, err := release("check", version)
		assert.Contains(t, out, "F: changed from func() to func(int)")
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
		git(t, dir, "reset", "-q", "--hard", "HEAD~1")
	}
}

func TestUsage(t *testing.T) {
	_, release := play(t)
	for _, args := range [][]string{{}, {"check"}, {"outside", "v0.1.0"}, {"publish", "v0.1.0"}} {
		_, err := release(args...)
		assert.ErrorContains(t, err, "usage", args)
	}
}
