package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

func TestUsageErrorsNameTheMistake(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		for _, c := range []struct {
			code    int
			message string
			args    string
		}{
			{2, "unknown command", "frobnicate"},
			{2, "did you mean watch?", "wathc /a"},
			{2, "unknown flag: --frob", "ls --frob"},
			{2, "accepts 1 arg(s)", "get"},
			{2, "invalid argument", "ls --timeout soon"},
			{2, "--timeout is 0s", "ls --timeout 0s"},
			{2, "invalid path", "ls /a//b"},
			{2, "invalid path", "get /a/../b"},
			{2, "--limit is 0", "ls --limit 0"},
			{2, "there is no data", "set /a"},
			{2, "given twice", "create /a x --file y"},
			{2, "--acl has the entry", "create /a --acl world"},
			{2, "the permission", "create /a --acl world:anyone:rx"},
			{2, "does not go together", "create /a --acl open --container --sequential"},
			{2, "--depth cannot be negative", "tree --depth -1"},
			{2, "rm does not delete the root", "rm /"},
			{2, "rm does not delete the root", "rm -r --yes /"},
			{2, "belongs to ZooKeeper itself", "rm -r --yes /zookeeper/quota"},
			{2, "--version does not go together", "rm -r --version 3 /a"},
			{2, "--tls-cert and --tls-key go together", "ls --tls-cert x"},
			{2, "no such file", "ls --tls-ca /no/such/file"},
			{2, "--log-level", "ls --log-level loud"},
			{2, "SessionTimeout: 1ms", "ls --session-timeout 1ms"},
			{125, "requires at least 2 arg(s)", "lock /l"},
			{125, "requires at least 2 arg(s)", "elect"},
			{125, "invalid path", "lock /a//b true"},
			{125, "the root cannot be used", "lock / true"},
			{125, "there is no command", "lock /l --"},
			{125, "--kill-after is -1s", "lock --kill-after -1s /l true"},
			{125, "between 0 and 255", "lock -E 256 /l true"},
			{125, "invalid argument", "lock --wait soon /l true"},
			{125, "read write", "lock --read --write /l true"},
			{125, "required flag(s) \"limit\"", "semaphore /s true"},
			{125, "both must be positive", "semaphore -n 2 --permits 3 /s true"},
			{125, "cannot try without waiting", "elect --wait 0 /e true"},
			{125, "--auth (DOCENT_AUTH)", "lock --auth digest:me:s3cr3t /l true"},
		} {
			w.fails(c.code, c.message, strings.Fields(c.args)...)
		}
		w.fails(2, "invalid path", "ls", "")
		w.fails(2, "invalid path", "rm", "-r", "--yes", "")
		require.Contains(t, w.ok("--help"), "Look around:")
		require.Contains(t, w.ok("lock", "--help"), "was lost while COMMAND ran")
		require.Contains(t, w.ok("--version"), "docent")
	})
}

func TestExitCodesFollowTheServersReply(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/a/b", "x")
		w.fails(3, "node does not exist", "get", "/none")
		w.fails(3, "node does not exist", "tree", "/none")
		w.fails(3, "node does not exist", "rm", "-r", "--yes", "/none")
		w.fails(3, "node does not exist", "who", "/none")
		w.fails(3, "no instance is registered", "services", "none")
		w.fails(3, "node does not exist", "create", "/none/child")
		w.fails(4, "already exists", "create", "/a")
		w.fails(4, "version", "set", "/a", "x", "--version", "7")
		w.fails(4, "--recursive deletes", "rm", "/a")
		w.fails(1, "no such file", "set", "/a", "--file", "/no/such/file")
		w.hosts = nil
		w.fails(5, "Run 'docent doctor'", "ls", "--timeout", "2s")
	})
}

func TestSecretsComeFromTheEnvironmentOrFiles(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		for _, given := range []string{"digest:me:s3cr3t", "s3cr3t", "digest:plain:s3cr3t", ":env:s3cr3t", "digest:env:"} {
			code, stdout, stderr := w.run("ls", "--auth", given)
			require.Equal(t, 2, code)
			require.NotContains(t, stdout+stderr, "s3cr3t")
			w.env["DOCENT_SASL"] = given
			code, stdout, stderr = w.run("ls")
			require.Equal(t, 2, code)
			require.NotContains(t, stdout+stderr, "s3cr3t")
			delete(w.env, "DOCENT_SASL")
		}
		w.fails(2, "the environment variable MINE is not set", "ls", "--auth", "digest:env:MINE")
		w.env["MINE"] = "me:s3cr3t"
		w.ok("create", "/mine", "x", "--acl", "creator", "--auth", "digest:env:MINE")
		w.fails(exitRefused, "not authenticated", "get", "/mine")
		file := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(file, []byte("me:s3cr3t\r\n"), 0o600))
		w.env["DOCENT_AUTH"] = "digest:file:" + file + ",bogus:env:MINE"
		code, _, stderr := w.run("ls", "--timeout", "2s")
		require.Equal(t, exitRefused, code, stderr) // no server knows the scheme
		w.env["DOCENT_AUTH"] = "digest:file:" + file
		require.Equal(t, "x\n", w.ok("get", "/mine"))
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		w.fails(2, "is empty", "get", "/mine")
	})
}

func TestEnvironmentVariablesReplaceFlags(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/app/a", "")
		w.create("/b", "")
		w.env["DOCENT_NAMESPACE"] = "/app"
		require.Equal(t, "a\n", w.ok("ls"))
		require.Equal(t, "app\nb\nzookeeper\n", w.ok("ls", "--namespace", ""))
		w.fails(2, "rm does not delete the root", "rm", "-r", "--yes", "/")
		w.env["DOCENT_TIMEOUT"] = "s3cr3t"
		code, _, stderr := w.run("ls")
		require.Equal(t, 2, code)
		require.Contains(t, stderr, "the environment variable DOCENT_TIMEOUT has a value that --timeout does not take")
		require.NotContains(t, stderr, "s3cr3t")
	})
}

func TestLogsAreOffUnlessAskedFor(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		_, _, stderr := w.run("ls")
		require.Empty(t, stderr)
		_, _, stderr = w.run("ls", "--log-level", "info")
		require.Contains(t, stderr, "level=INFO")
	})
}

func TestCompletionKnowsPaths(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/config/app", "")
		w.create("/config/\u202e", "")
		w.create("/counters", "")
		require.Equal(t, "/config\n/counters\n:6\n", w.ok("__complete", "get", "/co"))
		require.Equal(t, "/config/app\n:6\n", w.ok("__complete", "tree", "/config/"))
		require.Equal(t, ":6\n", w.ok("__complete", "tree", "/none/x"))
		require.Contains(t, w.ok("__complete", "w"), "watch\t")
		require.Contains(t, w.ok("completion", "bash"), "bash completion")
	})
}

// hostile is text that would do something to a terminal, or to the shape of the output.
const hostile = "a\x1b[2Jb\rc\u202ed\xff\ne"

func TestOutputIsSafeForATerminal(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/t/x\u202ex", hostile)
		w.create("/t/wide-表計算", strings.Repeat("語", 500))
		w.create("/t/null\u2028", "")
		for _, args := range [][]string{
			{"ls", "/t"}, {"ls", "-l", "/t"}, {"tree", "/t", "--data"}, {"get", "/t/x\u202ex"}, {"get", "/t/x\u202ex", "--stat"},
			{"who", "/t"}, {"watch", "/t", "--initial", "--for", "1s"}, {"get", "/t/\x1b[31m"},
			{"ls", "--json", "/t"}, {"tree", "--json", "--data", "/t"}, {"who", "--json", "/t"},
		} {
			_, stdout, stderr := w.run(args...)
			for _, r := range stdout + stderr {
				require.False(t, r != '\n' && r < ' ' || r == 0x7f || r == 0x2028 && args[1] != "--json" || r == 0x202e && args[1] != "--json", "%q in %q of %v", r, stdout+stderr, args)
			}
		}
		require.Equal(t, `/t/x\u202ex has version 1.`+"\n", w.ok("set", "/t/x\u202ex", "y"))
		w.sys.screen = false
		require.Contains(t, w.ok("ls", "/t"), "x\u202ex\n", "a program gets names as they are")
	})
}

func TestGetWritesEveryByteToAProgram(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/b", hostile)
		require.Contains(t, w.ok("get", "/b"), "00000000  61 1b 5b 32 4a")
		require.Equal(t, hostile, w.ok("get", "--raw", "/b"))
		w.sys.screen = false
		require.Equal(t, hostile, w.ok("get", "/b"))
		var n nodeJSON
		require.NoError(t, json.Unmarshal([]byte(w.ok("get", "/b", "--json")), &n))
		require.Equal(t, hostile, string(n.Base64))
		require.Nil(t, n.Data)
		w.sys.stdin = strings.NewReader(hostile + hostile)
		w.ok("set", "/b", "--file", "-")
		require.Equal(t, hostile+hostile, w.ok("get", "/b"))
		w.ok("set", "/b", "")
		require.Empty(t, w.ok("get", "/b"))
		require.NoError(t, json.Unmarshal([]byte(w.ok("get", "/b", "--json")), &n))
		require.Equal(t, "", *n.Data)
	})
}
