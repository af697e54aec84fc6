package realzk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeHost is a machine with the given files and environment. Files are named
// relative to a directory that $ROOT stands for in the environment.
func fakeHost(t *testing.T, files []string, env map[string]string) *host {
	t.Helper()
	root := t.TempDir()
	for _, name := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o755))
	}
	return &host{
		getenv: func(name string) string {
			return os.Expand(env[name], func(string) string { return root })
		},
		short: func() bool { return false },
		jars:  filepath.Join(root, "jars"),
	}
}

var (
	allFiles = []string{"bin/java", "jars/zookeeper.jar", "jars/slf4j-simple.jar"}
	onlyPath = map[string]string{"PATH": "$ROOT/bin"}
)

func TestLocate(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		env   map[string]string
		java  string // relative; empty if nothing is found
		fails string
	}{
		"nothing": {fails: "there is no java"},
		"no jars": {
			files: []string{"bin/java"}, env: onlyPath,
			fails: "zookeeper.jar and ZOOKEEPER_HOME is not set",
		},
		"no log jar": {
			files: []string{"bin/java", "jars/zookeeper.jar"}, env: onlyPath,
			fails: "slf4j-simple.jar and ZOOKEEPER_HOME is not set",
		},
		"no java":  {files: allFiles[1:], env: onlyPath, fails: "there is no java"},
		"packages": {files: allFiles, env: onlyPath, java: "bin/java"},
		"JAVA_HOME first": {
			files: append([]string{"jre/bin/java"}, allFiles...),
			env:   map[string]string{"PATH": "$ROOT/bin", "JAVA_HOME": "$ROOT/jre"},
			java:  "jre/bin/java",
		},
		"JAVA_HOME without java": {
			files: allFiles,
			env:   map[string]string{"PATH": "$ROOT/bin", "JAVA_HOME": "$ROOT/jre"},
			java:  "bin/java",
		},
		"wrong ZOOKEEPER_HOME": {
			files: allFiles,
			env:   map[string]string{"PATH": "$ROOT/bin", "ZOOKEEPER_HOME": "$ROOT/zk"},
			fails: "ZOOKEEPER_HOME is",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := fakeHost(t, test.files, test.env)
			found, err := h.locate()
			if test.fails != "" {
				require.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, h.getenv("ROOT")+filepath.Join(filepath.Dir(h.jars), test.java), found.java)
			assert.Equal(t, filepath.Join(h.jars, "zookeeper.jar")+":"+filepath.Join(h.jars, "slf4j-simple.jar"), found.classpath)
		})
	}
}

func TestLocateDistribution(t *testing.T) {
	h := fakeHost(t, []string{"bin/java", "zk/lib/zookeeper-3.8.4.jar"},
		map[string]string{"PATH": "$ROOT/bin", "ZOOKEEPER_HOME": "$ROOT/zk"})
	found, err := h.locate()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(filepath.Dir(h.jars), "zk", "lib", "*"), found.classpath)
}

func TestRequireSkipsOnceWithAnExplanation(t *testing.T) {
	h := fakeHost(t, nil, nil)
	first := watch(t, func(tb TB) { h.require(tb) })
	second := watch(t, func(tb TB) { h.require(tb) })

	require.Len(t, first.skips, 1)
	assert.Contains(t, first.skips[0], "there is no java")
	assert.Contains(t, first.skips[0], "scripts/install-zookeeper")
	assert.Equal(t, []string{"no real ZooKeeper"}, second.skips)
	assert.Empty(t, append(first.fatals, second.fatals...))
}

func TestRequireFailsWhereZooKeeperMustBe(t *testing.T) {
	for _, env := range []map[string]string{
		{"CI": "true"}, {"CI": "1"}, {"DOCENT_REQUIRE_ZOOKEEPER": "1"}, {"DOCENT_REQUIRE_ZOOKEEPER": "true"},
	} {
		h := fakeHost(t, nil, env)
		tb := watch(t, func(tb TB) { h.require(tb) })
		require.Len(t, tb.fatals, 1, "%v", env)
		assert.Contains(t, tb.fatals[0], "there is no java")
		assert.Empty(t, tb.skips)
	}
	for _, env := range []map[string]string{{}, {"CI": "false"}, {"CI": "", "DOCENT_REQUIRE_ZOOKEEPER": "0"}} {
		h := fakeHost(t, nil, env)
		tb := watch(t, func(tb TB) { h.require(tb) })
		assert.Len(t, tb.skips, 1, "%v", env)
		assert.Empty(t, tb.fatals)
	}
}

func TestShortModeAlwaysSkips(t *testing.T) {
	h := fakeHost(t, allFiles, map[string]string{"PATH": "$ROOT/bin", "CI": "true"})
	h.short = func() bool { return true }
	tb := watch(t, func(tb TB) { h.require(tb) })
	require.Len(t, tb.skips, 1)
	assert.Contains(t, tb.skips[0], "-short")
	assert.Empty(t, tb.fatals)
}

func TestShortModeIsThatOfTesting(t *testing.T) {
	assert.Equal(t, testing.Short(), shortMode())
}

func TestAvailable(t *testing.T) {
	reason, ok := Available()
	_, err := machine.locate()
	assert.Equal(t, err == nil, ok)
	assert.Equal(t, err != nil, reason != "")
}

// A distribution has its jars in one directory and brings another log library.
func TestStartsFromADistribution(t *testing.T) {
	found := machine.require(t)
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, "lib"), 0o755))
	for _, jar := range filepath.SplitList(found.classpath) {
		if filepath.Base(jar) == "*" {
			t.Log("ZOOKEEPER_HOME is set, so every test of this package starts from a distribution")
			return
		}
		require.NoError(t, os.Symlink(jar, filepath.Join(home, "lib", filepath.Base(jar))))
	}
	h := &host{getenv: func(name string) string {
		if name == "ZOOKEEPER_HOME" {
			return home
		}
		return os.Getenv(name)
	}, short: shortMode}
	server, err := startStandalone(h.require(t), Options{}, reserve)
	require.NoError(t, err)
	require.NoError(t, server.close())
}
