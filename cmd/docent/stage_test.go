//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// atMost is for what happens in moments, unless it does not happen at all.
const atMost = 2 * time.Minute

// linger is for what a killed process still has open.
const linger = 20 * time.Second

// docent is the command as a process of its own.
type docent struct {
	cmd    *exec.Cmd
	stdout *os.File
	lines  *bufio.Scanner
	stderr screenText
	ended  bool
}

// startDocent starts a command with its arguments.
func startDocent(t *testing.T, servers string, args ...string) *docent {
	t.Helper()
	return startDocentWith(t, nil, servers, args...)
}

// startDocentWith starts it with a standard input.
func startDocentWith(t *testing.T, stdin *os.File, servers string, args ...string) *docent {
	t.Helper()
	l := &docent{cmd: exec.Command(os.Args[0], args...)}
	l.cmd.Env = append(os.Environ(), mainEnv+"=yes", "DOCENT_SERVERS="+servers)
	l.cmd.Stderr = &l.stderr
	if stdin != nil {
		l.cmd.Stdin = stdin
	}
	l.cmd.WaitDelay = linger
	in, out, err := os.Pipe()
	require.NoError(t, err)
	l.stdout, l.lines = in, bufio.NewScanner(in)
	l.cmd.Stdout = out
	require.NoError(t, l.cmd.Start())
	require.NoError(t, out.Close())
	t.Cleanup(func() {
		_ = in.Close()
		if !l.ended {
			_ = l.cmd.Process.Kill()
			_ = l.cmd.Wait()
		}
	})
	return l
}

// line is the next line that the command writes.
func (l *docent) line(t *testing.T) string {
	t.Helper()
	require.True(t, l.scan(t, atMost), "no more output, %v: %s", l.lines.Err(), l.stderr.String())
	return l.lines.Text()
}

// scan waits for a line, or for the end of the output: that of docent, its command and the processes that these have left behind.
func (l *docent) scan(t *testing.T, within time.Duration) bool {
	t.Helper()
	require.NoError(t, l.stdout.SetReadDeadline(time.Now().Add(within)))
	return l.lines.Scan()
}

// status waits for the end, of docent and of every process that shares its output.
func (l *docent) status(t *testing.T) int {
	t.Helper()
	late := time.AfterFunc(atMost, func() { _ = l.cmd.Process.Kill() })
	defer late.Stop()
	err := l.cmd.Wait()
	l.ended = true
	for l.scan(t, linger) {
		t.Logf("more output: %s", l.lines.Text())
	}
	require.NoError(t, l.lines.Err(), "a process is left: %s", l.stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	t.Log(l.stderr.String())
	return l.cmd.ProcessState.ExitCode()
}

func (l *docent) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	require.NoError(t, l.cmd.Process.Signal(sig))
}

// newClient is a client beside the command.
func newClient(t *testing.T, servers string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: servers})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cli.Close()) })
	return cli
}

// queued waits until path has n children.
func queued(t *testing.T, cli *framework.Client, path string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	for {
		names, _, changed, err := cli.WatchChildren(ctx, path)
		if errors.Is(err, framework.ErrNoNode) {
			var there bool
			_, there, changed, err = cli.WatchExists(ctx, path)
			if there {
				changed.Stop()
				continue
			}
		}
		require.NoError(t, err)
		if len(names) == n {
			changed.Stop()
			return
		}
		select {
		case <-changed.C:
		case <-ctx.Done():
			require.FailNow(t, "not as many nodes as there should be", "%d instead of %d at %s", len(names), n, path)
		}
	}
}

// owner is the session of the only docent that holds or waits at path.
func owner(t *testing.T, cli *framework.Client, path string) int64 {
	t.Helper()
	queued(t, cli, path, 1)
	stat, there, err := cli.Exists(t.Context(), framework.Join(path, only(t, cli, path)))
	require.NoError(t, err)
	require.True(t, there)
	return stat.EphemeralOwner
}

func only(t *testing.T, cli *framework.Client, path string) string {
	t.Helper()
	names, _, err := cli.Children(t.Context(), path)
	require.NoError(t, err)
	require.Len(t, names, 1)
	return names[0]
}

// alive reports whether there is a process, and not only its remains, which its parent has not waited for.
func alive(t *testing.T, pid string) bool {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	require.NoError(t, err)
	if syscall.Kill(n, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(n) + "/stat")
	if err != nil { // there is no /proc, or the process has gone meanwhile
		return syscall.Kill(n, 0) == nil
	}
	return !strings.Contains(string(stat), ") Z ")
}

// requireGone waits for a process that was killed: it ends a moment later than the signal is sent.
func requireGone(t *testing.T, pid string) {
	t.Helper()
	require.Eventually(t, func() bool { return !alive(t, pid) }, atMost, time.Millisecond)
}
