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
	"github.com/docent-zk/docent/zktest"
)

// patience is for what happens in moments, unless it does not happen at all.
const patience = 2 * time.Minute

// linger is for what somebody who was killed still has open.
const linger = 20 * time.Second

// lockrun is a lockrun that runs as a process of its own.
type lockrun struct {
	cmd    *exec.Cmd
	stdout *os.File
	lines  *bufio.Scanner
	stderr transcript
	ended  bool
}

func startServer(t *testing.T) *zktest.Server {
	t.Helper()
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

func startLockrun(t *testing.T, zk string, args ...string) *lockrun {
	t.Helper()
	l := &lockrun{cmd: exec.Command(os.Args[0], append([]string{"-zk", zk}, args...)...)}
	l.cmd.Env = append(os.Environ(), mainEnv+"=yes")
	l.cmd.Stderr = &l.stderr
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
func (l *lockrun) line(t *testing.T) string {
	t.Helper()
	require.True(t, l.scan(t, patience), "no more output, %v: %s", l.lines.Err(), l.stderr.String())
	return l.lines.Text()
}

// scan waits for a line, or for the end of the output: that of lockrun, its command and whoever they have left behind.
func (l *lockrun) scan(t *testing.T, within time.Duration) bool {
	t.Helper()
	require.NoError(t, l.stdout.SetReadDeadline(time.Now().Add(within)))
	return l.lines.Scan()
}

// status waits for the end, of lockrun and of everybody who shares its output.
func (l *lockrun) status(t *testing.T) int {
	t.Helper()
	late := time.AfterFunc(patience, func() { _ = l.cmd.Process.Kill() })
	defer late.Stop()
	err := l.cmd.Wait()
	l.ended = true
	for l.scan(t, linger) {
		t.Logf("more output: %s", l.lines.Text())
	}
	require.NoError(t, l.lines.Err(), "somebody is left: %s", l.stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	t.Log(l.stderr.String())
	return l.cmd.ProcessState.ExitCode()
}

func (l *lockrun) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	require.NoError(t, l.cmd.Process.Signal(sig))
}

// newClient is a client beside the lockruns.
func newClient(t *testing.T, zk string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: zk})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cli.Close()) })
	return cli
}

// queued waits until n nodes stand at path.
func queued(t *testing.T, cli *framework.Client, path string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
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

// owner is the session of the only lockrun that holds or waits at path.
func owner(t *testing.T, cli *framework.Client, path string) int64 {
	t.Helper()
	queued(t, cli, path, 1)
	names, _, err := cli.Children(t.Context(), path)
	require.NoError(t, err)
	require.Len(t, names, 1)
	stat, there, err := cli.Exists(t.Context(), framework.Join(path, names[0]))
	require.NoError(t, err)
	require.True(t, there)
	return stat.EphemeralOwner
}

// alive reports whether there is a process, and not just what is left of one that its parent has not waited for.
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
	require.Eventually(t, func() bool { return !alive(t, pid) }, patience, time.Millisecond)
}
