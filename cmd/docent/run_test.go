//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

func TestExitCodeOfARunCommand(t *testing.T) {
	server := startServer(t)
	plain := filepath.Join(t.TempDir(), "plain")
	require.NoError(t, os.WriteFile(plain, []byte("no program"), 0o600))
	for name, c := range map[string]struct {
		args []string
		want int
	}{
		"success":        {args: []string{"lock", "/l", "true"}, want: 0},
		"failure":        {args: []string{"lock", "/l", "--", "sh", "-c", "exit 7"}, want: 7},
		"killed":         {args: []string{"lock", "/l", "sh", "-c", "kill -9 $$"}, want: 128 + 9},
		"not found":      {args: []string{"lock", "/l", "/no/such/program"}, want: 127},
		"not in PATH":    {args: []string{"lock", "/l", "no-such-program"}, want: 127},
		"not executable": {args: []string{"lock", "/l", plain}, want: 126},
		"read lock":      {args: []string{"lock", "--read", "/rw", "sh", "-c", "exit 2"}, want: 2},
		"write lock":     {args: []string{"lock", "--write", "/rw", "sh", "-c", "exit 3"}, want: 3},
		"shared":         {args: []string{"lock", "--shared", "/sh", "sh", "-c", "exit 4"}, want: 4},
		"semaphore":      {args: []string{"semaphore", "--limit", "2", "--permits", "2", "/s", "sh", "-c", "exit 5"}, want: 5},
		"leader":         {args: []string{"elect", "/e", "sh", "-c", "exit 6"}, want: 6},
		"shared leader":  {args: []string{"elect", "--shared", "--hold", "/f", "sh", "-c", "exit 8"}, want: 8},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, startDocent(t, server.ConnectString(), c.args...).status(t))
		})
	}
	require.Equal(t, 75, startDocent(t, "127.0.0.1:1", "lock", "--wait", "200ms", "/l", "true").status(t), "no server")
}

func TestStreamsAndEnvironment(t *testing.T) {
	server := startServer(t)
	l := startDocent(t, server.ConnectString(), "lock", "/locks/l", "sh", "-c", `echo "$DOCENT_PATH $DOCENT_TOKEN"; echo aside >&2; cat "$0"`, os.DevNull)
	path, token, _ := strings.Cut(l.line(t), " ")
	require.Equal(t, "/locks/l", path)
	first, err := strconv.ParseInt(token, 10, 64)
	require.NoError(t, err)
	require.Equal(t, 0, l.status(t))
	require.Contains(t, l.stderr.String(), "aside")

	l = startDocent(t, server.ConnectString(), "lock", "/locks/l", "sh", "-c", `echo "$DOCENT_TOKEN"`)
	second, err := strconv.ParseInt(l.line(t), 10, 64)
	require.NoError(t, err)
	require.Greater(t, second, first)
	require.Equal(t, 0, l.status(t))
}

// section writes down when it begins and ends, and leaves a window for others in between.
const section = `for i in 1 2 3; do echo "in $$" >> "$0"; done; sleep 0.05; echo "out $$" >> "$0"`

func exclude(t *testing.T, servers string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	var all []*docent
	for range 4 {
		all = append(all, startDocent(t, servers, "lock", "/locks/l", "sh", "-c", section, file))
	}
	for _, l := range all {
		require.Equal(t, 0, l.status(t))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Fields(string(text))
	require.Len(t, lines, 4*4*2)
	for i := 0; i < len(lines); i += 8 {
		pid := lines[i+1]
		require.Equal(t, []string{"in", pid, "in", pid, "in", pid, "out", pid}, lines[i:i+8])
	}
}

func TestLockExcludes(t *testing.T) { exclude(t, startServer(t).ConnectString()) }

func TestLockExcludesOnRealServer(t *testing.T) { exclude(t, realzk.Shared(t).ConnectString()) }

func TestLockOfAnotherHolder(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	held, err := lock.New(cli, "/l").Lock(t.Context())
	require.NoError(t, err)
	zk := server.ConnectString()
	assert.Equal(t, 75, startDocent(t, zk, "lock", "--wait", "200ms", "/l", "true").status(t))
	assert.Equal(t, 9, startDocent(t, zk, "lock", "--wait", "0", "-E", "9", "/l", "true").status(t))
	queued(t, cli, "/l", 1) // no node was left behind

	waiting := startDocent(t, zk, "lock", "/l", "sh", "-c", "exit 4")
	queued(t, cli, "/l", 2)
	require.NoError(t, held.Unlock(t.Context()))
	require.Equal(t, 4, waiting.status(t))
	queued(t, cli, "/l", 0)
}

func TestSemaphoreCountsPermits(t *testing.T) {
	server := startServer(t)
	zk := server.ConnectString()
	stay := []string{"semaphore", "-n", "2", "/s", "sh", "-c", "echo begun; exec sleep 100"}
	first, second := startDocent(t, zk, stay...), startDocent(t, zk, stay...)
	first.line(t)
	second.line(t)
	require.Equal(t, 75, startDocent(t, zk, "semaphore", "-n", "2", "--wait", "0", "/s", "true").status(t))
	first.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, first.status(t))
	require.Equal(t, 0, startDocent(t, zk, "semaphore", "-n", "2", "--wait", "1m", "/s", "true").status(t))
	second.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, second.status(t))
}

// The lock is released when the command has ended, not when it was told to end.
func TestSignalsArePassedOn(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			if signal.Ignored(sig) {
				t.Skip("the signal is ignored by these tests, and so by every process that they start")
			}
			name := fifo(t)
			l := startDocent(t, server.ConnectString(), "lock", "/l", "sh", "-c",
				`trap 'echo got it; read x < "$0"; exit 5' INT TERM HUP QUIT; echo begun; while :; do sleep 0.02; done`, name)
			require.Equal(t, "begun", l.line(t))
			l.signal(t, sig)
			require.Equal(t, "got it", l.line(t))
			queued(t, cli, "/l", 1)
			letGo(t, name)
			require.Equal(t, 5, l.status(t))
			queued(t, cli, "/l", 0)
		})
	}
}

func TestSignalEndsTheWait(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	held, err := lock.New(cli, "/l").Lock(t.Context())
	require.NoError(t, err)
	l := startDocent(t, server.ConnectString(), "lock", "/l", "true")
	queued(t, cli, "/l", 2)
	l.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, l.status(t))
	queued(t, cli, "/l", 1)
	require.NoError(t, held.Unlock(t.Context()))
}

// A leader that loses its session stops the command, and starts it again when it leads in the next session.
func TestElectCampaignsAgain(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	l := startDocent(t, server.ConnectString(), "elect", "--label", "me", "/e", "sh", "-c", "echo $DOCENT_TOKEN; exec sleep 100")
	first := l.line(t)
	p, err := leader.New(cli, "/e").Leader(t.Context())
	require.NoError(t, err)
	require.Equal(t, "me", p.ID)
	require.Equal(t, first, strconv.FormatInt(p.Token, 10))
	require.True(t, server.ExpireSession(p.Session))
	require.NotEqual(t, first, l.line(t))
	l.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, l.status(t))
}

// A signal that comes while the command is being stopped ends docent, in place of another campaign.
func TestSignalDuringALossEndsElect(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	l := startDocent(t, server.ConnectString(), "elect", "--kill-after", "10m", "/e", "sh", "-c",
		`trap '[ -z "$asked" ] || exit 0; asked=yes; echo asked' TERM; echo begun; while :; do sleep 0.02; done`)
	require.Equal(t, "begun", l.line(t))
	require.True(t, server.ExpireSession(owner(t, cli, "/e")))
	require.Equal(t, "asked", l.line(t))
	l.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, l.status(t))
}

func TestElectOnceEndsWithTheTerm(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	l := startDocent(t, server.ConnectString(), "elect", "--once", "/e", "sh", "-c", "echo begun; exec sleep 100")
	require.Equal(t, "begun", l.line(t))
	require.True(t, server.ExpireSession(owner(t, cli, "/e")))
	require.Equal(t, exitLost, l.status(t))
}

// An interrupt closes the session, so that nothing of it is left on the servers.
func TestInterruptClosesTheSession(t *testing.T) {
	server := startServer(t)
	l := startDocent(t, server.ConnectString(), "watch", "/config", "--initial", "--session-timeout", "30m")
	require.Contains(t, l.line(t), "watching /config")
	l.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, l.status(t))
	requireNoSession(t, server)
	require.Contains(t, l.stderr.String(), "interrupted")
}

// What is being typed when a signal comes does not hold it up.
func TestInterruptEndsThePrompt(t *testing.T) {
	server := startServer(t)
	_, err := server.Create("/t", nil, zktest.Persistent)
	require.NoError(t, err)
	typing, typist, err := os.Pipe()
	require.NoError(t, err)
	defer typing.Close()
	defer typist.Close()
	l := startDocentWith(t, typing, server.ConnectString(), "set", "/t", "--file", "-", "--session-timeout", "30m")
	require.Eventually(t, func() bool { return len(server.Sessions()) == 1 }, atMost, time.Millisecond)
	l.signal(t, syscall.SIGTERM)
	require.Equal(t, 128+15, l.status(t))
	requireNoSession(t, server)
}

// The end of the program that reads the output closes the session as well.
func TestClosedPipeClosesTheSession(t *testing.T) {
	server := startServer(t)
	l := startDocent(t, server.ConnectString(), "watch", "/config", "--json", "--session-timeout", "30m")
	require.Contains(t, l.line(t), `"event":"watching"`)
	require.NoError(t, l.stdout.Close())
	_, err := server.Create("/config", []byte("x"), zktest.Persistent)
	require.NoError(t, err)
	err = l.cmd.Wait()
	l.ended = true
	require.Error(t, err)
	require.Equal(t, exitBrokenPipe, l.cmd.ProcessState.ExitCode(), l.stderr.String())
	requireNoSession(t, server)
	require.Empty(t, l.stderr.String())
}

// requireNoSession waits until the server has no session: much sooner than the session timeout.
func requireNoSession(t *testing.T, server *zktest.Server) {
	t.Helper()
	require.Eventually(t, func() bool { return len(server.Sessions()) == 0 }, atMost, time.Millisecond)
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
	}, atMost, time.Millisecond, "the command does not wait at the fifo")
	_, err := f.WriteString("go\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
