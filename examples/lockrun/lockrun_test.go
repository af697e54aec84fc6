//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/realzk"
	"github.com/docent-zk/docent/lock"
)

func TestStatus(t *testing.T) {
	server := startServer(t)
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("no program"), 0o600))
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"success":        {args: []string{"/l", "true"}, want: 0},
		"failure":        {args: []string{"/l", "sh", "-c", "exit 7"}, want: 7},
		"killed":         {args: []string{"/l", "sh", "-c", "kill -9 $$"}, want: 128 + 9},
		"not found":      {args: []string{"/l", "/no/such/program"}, want: 127},
		"not in PATH":    {args: []string{"/l", "no-such-program"}, want: 127},
		"not executable": {args: []string{"/l", plain}, want: 126},
		"no command":     {args: []string{"/l"}, want: 125},
		"bad path":       {args: []string{"/a//b", "true"}, want: 125},
		"semaphore":      {args: []string{"-n", "2", "/s", "sh", "-c", "exit 3"}, want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, startLockrun(t, server.ConnectString(), c.args...).status(t))
		})
	}
	require.Equal(t, 75, startLockrun(t, "127.0.0.1:1", "-wait", "200ms", "/l", "true").status(t), "no server")
	require.Equal(t, 125, startLockrun(t, "no/such:place//", "/l", "true").status(t))
}

func TestStreamsAndEnvironment(t *testing.T) {
	server := startServer(t)
	l := startLockrun(t, server.ConnectString(), "/locks/l", "sh", "-c", `echo "$DOCENT_LOCK $DOCENT_TOKEN"; echo aside >&2; cat "$0"`, os.DevNull)
	lock, token, _ := strings.Cut(l.line(t), " ")
	require.Equal(t, "/locks/l", lock)
	first, err := strconv.ParseInt(token, 10, 64)
	require.NoError(t, err)
	require.Equal(t, 0, l.status(t))
	require.Contains(t, l.stderr.String(), "aside")

	l = startLockrun(t, server.ConnectString(), "/locks/l", "sh", "-c", `echo "$DOCENT_TOKEN"`)
	second, err := strconv.ParseInt(l.line(t), 10, 64)
	require.NoError(t, err)
	require.Greater(t, second, first)
	require.Equal(t, 0, l.status(t))
}

func TestStandardInput(t *testing.T) {
	server := startServer(t)
	in, err := os.CreateTemp(t.TempDir(), "in")
	require.NoError(t, err)
	defer in.Close()
	_, err = in.WriteString("to be read\n")
	require.NoError(t, err)
	_, err = in.Seek(0, 0)
	require.NoError(t, err)
	out := &transcript{}
	o, err := parse([]string{"-zk", server.ConnectString(), "/l", "cat"}, out)
	require.NoError(t, err)
	require.Equal(t, 0, (&runner{options: o, stdin: in, stdout: out, stderr: out}).run())
	require.Equal(t, "to be read\n", out.String())
}

// section writes down when it begins and ends, and leaves a window for others in between.
const section = `for i in 1 2 3; do echo "in $$" >> "$0"; done; sleep 0.05; echo "out $$" >> "$0"`

func exclude(t *testing.T, zk string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	var all []*lockrun
	for range 5 {
		all = append(all, startLockrun(t, zk, "/locks/l", "sh", "-c", section, file))
	}
	for _, l := range all {
		require.Equal(t, 0, l.status(t))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Fields(string(text))
	require.Len(t, lines, 5*4*2)
	for i := 0; i < len(lines); i += 8 {
		pid := lines[i+1]
		require.Equal(t, []string{"in", pid, "in", pid, "in", pid, "out", pid}, lines[i:i+8])
	}
}

func TestExclusion(t *testing.T) { exclude(t, startServer(t).ConnectString()) }

func TestExclusionOnRealServer(t *testing.T) { exclude(t, realzk.Shared(t).ConnectString()) }

func TestConflict(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	held, err := lock.New(cli, "/l").Lock(t.Context())
	require.NoError(t, err)
	zk := server.ConnectString()
	assert.Equal(t, 75, startLockrun(t, zk, "-wait", "200ms", "/l", "true").status(t))
	assert.Equal(t, 9, startLockrun(t, zk, "-wait", "0s", "-E", "9", "/l", "true").status(t))
	queued(t, cli, "/l", 1) // nobody left anything behind

	waiting := startLockrun(t, zk, "/l", "sh", "-c", "exit 4")
	queued(t, cli, "/l", 2)
	require.NoError(t, held.Unlock(t.Context()))
	require.Equal(t, 4, waiting.status(t))
	queued(t, cli, "/l", 0)
}

func TestPermits(t *testing.T) {
	server := startServer(t)
	zk := server.ConnectString()
	stay := []string{"-n", "2", "/s", "sh", "-c", "echo begun; exec sleep 100"}
	first, second := startLockrun(t, zk, stay...), startLockrun(t, zk, stay...)
	first.line(t)
	second.line(t)
	require.Equal(t, 75, startLockrun(t, zk, "-n", "2", "-wait", "0s", "/s", "true").status(t))
	first.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, first.status(t))
	require.Equal(t, 0, startLockrun(t, zk, "-n", "2", "-wait", "10s", "/s", "true").status(t))
	second.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, second.status(t))
}

// The lock is given back when the command has ended, not when it was told to.
func TestSignalsArePassedOn(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			l := startLockrun(t, server.ConnectString(), "/l", "sh", "-c",
				`trap 'echo got it; read x < "$0"; exit 5' INT TERM HUP QUIT; echo begun; while :; do sleep 0.02; done`, fifo(t))
			require.Equal(t, "begun", l.line(t))
			l.signal(t, sig)
			require.Equal(t, "got it", l.line(t))
			queued(t, cli, "/l", 1)
			letGo(t, l.cmd.Args[len(l.cmd.Args)-1])
			require.Equal(t, 5, l.status(t))
			queued(t, cli, "/l", 0)
		})
	}
}

func TestSignalWhileWaiting(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	held, err := lock.New(cli, "/l").Lock(t.Context())
	require.NoError(t, err)
	l := startLockrun(t, server.ConnectString(), "/l", "true")
	queued(t, cli, "/l", 2)
	l.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, l.status(t))
	queued(t, cli, "/l", 1)
	require.NoError(t, held.Unlock(t.Context()))
}

// fifo is a file that a command can wait at, until letGo.
func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(name, 0o600))
	return name
}

func letGo(t *testing.T, name string) {
	t.Helper()
	var f *os.File
	require.Eventually(t, func() bool { // it is refused while nobody reads
		var err error
		f, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	}, patience, time.Millisecond, "the command does not wait at the fifo")
	_, err := f.WriteString("go\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
