//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// family is a command with a child; each prints its process id.
const family = `sleep 100 & echo $!; echo $$; wait`

// stubborn is a family that ignores SIGTERM.
const stubborn = `trap "" TERM; ` + family

func TestLostLockStopsTheCommandAndItsChildren(t *testing.T) {
	for name, command := range map[string]string{"obedient": family, "stubborn": stubborn} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t)
			cli := newClient(t, server.ConnectString())
			l := startDocent(t, server.ConnectString(), "lock", "--kill-after", "300ms", "/l", "sh", "-c", command)
			child, parent := l.line(t), l.line(t)
			require.True(t, server.ExpireSession(owner(t, cli, "/l")))
			require.Equal(t, exitLost, l.status(t))
			requireGone(t, parent)
			requireGone(t, child)
			require.Contains(t, l.stderr.String(), "the lock at /l was lost, and the command is stopped")
		})
	}
}

// The command ends at once, but its child does not.
func TestLostLockStopsAChildThatIgnoresSIGTERM(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	l := startDocent(t, server.ConnectString(), "lock", "--kill-after", "300ms", "/l", "sh", "-c",
		`trap "exit 0" TERM; (trap "" TERM; echo deaf; exec sleep 100) & echo $!; wait; wait`)
	child, deaf := l.line(t), l.line(t)
	if child == "deaf" { // the two write at once
		child = deaf
	}
	require.True(t, server.ExpireSession(owner(t, cli, "/l")))
	require.Equal(t, exitLost, l.status(t))
	requireGone(t, child)
}

func TestLostLockOnRealServer(t *testing.T) {
	space := realzk.Shared(t)
	cli := newClient(t, space.ConnectString())
	l := startDocent(t, space.ConnectString(), "lock", "/l", "sh", "-c", family)
	child := l.line(t)
	require.NoError(t, space.ExpireSession(t.Context(), owner(t, cli, "/l")))
	require.Equal(t, exitLost, l.status(t))
	requireGone(t, child)
}

// A broken connection ends the command, unless --hold is given.
func TestHoldKeepsTheLockOverABrokenConnection(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	name := fifo(t)
	for _, hold := range []bool{true, false} {
		args := []string{"/l", "sh", "-c", `echo begun; read x < "$0"; exit 6`, name}
		want := exitLost
		if hold {
			args, want = append([]string{"--hold"}, args...), 6
		}
		l := startDocent(t, server.ConnectString(), append([]string{"lock"}, args...)...)
		require.Equal(t, "begun", l.line(t))
		session := owner(t, cli, "/l")
		require.Equal(t, 1, server.Cut(zktest.SessionConns(session)))
		if hold {
			returned(t, server, session)
			letGo(t, name)
		}
		require.Equal(t, want, l.status(t))
	}
}

// returned waits until a session has a connection again.
func returned(t *testing.T, server *zktest.Server, session int64) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(atMost); ; {
		all := server.Sessions()
		i := slices.IndexFunc(all, func(s zktest.SessionInfo) bool { return s.ID == session })
		require.GreaterOrEqual(t, i, 0, "the session is over")
		if all[i].Connected {
			return
		}
		select {
		case <-look.C:
		case <-late:
			require.FailNow(t, "the session is not connected again")
		}
	}
}

// When no server answers, the command is dead before the session is over.
func TestSilenceStopsTheCommandBeforeTheSessionEnds(t *testing.T) {
	server := startServer(t)
	cli := newClient(t, server.ConnectString())
	l := startDocent(t, server.ConnectString(), "lock", "--session-timeout", "2s", "--hold", "/l", "sh", "-c", stubborn)
	child, parent := l.line(t), l.line(t)
	heal := server.Blackhole(zktest.SessionConns(cli.State().SessionID).Not(), zktest.Both)
	defer heal()
	_, watch, err := cli.WatchData(t.Context(), framework.Join("/l", only(t, cli, "/l")))
	require.NoError(t, err)
	require.Equal(t, framework.EventDeleted, (<-watch.C).Type)
	requireGone(t, parent)
	requireGone(t, child)
	heal()
	require.Equal(t, exitLost, l.status(t))
}

// On Linux, a SIGKILL of docent kills its command as well.
func TestKilledDocentKillsItsCommand(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a command with whoever started it")
	}
	server := startServer(t)
	name := fifo(t)
	l := startDocent(t, server.ConnectString(), "lock", "/l", "sh", "-c", `echo $$; read x < "$0"`, name)
	command := l.line(t)
	l.signal(t, syscall.SIGKILL)
	require.Equal(t, -1, l.status(t)) // the pipe ends when the command has
	requireGone(t, command)
}
