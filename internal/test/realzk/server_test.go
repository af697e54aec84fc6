package realzk

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServerThatServes(t *testing.T) {
	s := Shared(t).server
	host, _, err := net.SplitHostPort(s.Addr())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", host)
	assert.True(t, s.Running())

	answer, err := s.FourLetter(within(t), "ruok")
	require.NoError(t, err)
	assert.Equal(t, "imok", answer)
	mode, err := s.Mode(within(t))
	require.NoError(t, err)
	assert.Equal(t, ModeStandalone, mode)

	_, err = s.FourLetter(within(t), "help!")
	assert.ErrorContains(t, err, "four letters")
	assert.ErrorContains(t, s.Start(), "running already")
}

func TestDataAndPortSurviveARestart(t *testing.T) {
	s := Standalone(t, Options{})
	addr := s.Addr()
	for path, end := range map[string]func() error{"/stop": s.Stop, "/kill": s.Kill} {
		require.NoError(t, createNode(within(t), addr, path))
		require.NoError(t, end())

		assert.False(t, s.Running())
		_, err := s.Mode(within(t))
		require.ErrorIs(t, err, syscall.ECONNREFUSED)

		require.NoError(t, s.Start())
		require.NoError(t, s.WaitReady(within(t)))
		assert.True(t, s.Running())
		assert.Equal(t, addr, s.Addr())
		requireThere(t, connect(t, addr), path)
	}
}

func TestPause(t *testing.T) {
	s := Standalone(t, Options{})
	require.NoError(t, s.Pause())
	assert.True(t, s.Running())
	_, err := s.FourLetter(briefly(t), "ruok")
	require.ErrorIs(t, err, context.DeadlineExceeded, "a paused server accepts and does not answer")
	err = s.WaitReady(briefly(t))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, s.Addr())
	assert.ErrorContains(t, err, "its log ends")

	require.NoError(t, s.Resume())
	answer, err := s.FourLetter(within(t), "ruok")
	require.NoError(t, err)
	assert.Equal(t, "imok", answer)
}

func TestPausedServerCanBeEnded(t *testing.T) {
	s := Standalone(t, Options{})
	require.NoError(t, s.Pause())
	require.NoError(t, s.Stop())
	for _, do := range []func() error{s.Stop, s.Kill, s.Pause, s.Resume} {
		assert.ErrorIs(t, do(), ErrNotRunning)
	}
	assert.ErrorIs(t, s.WaitReady(within(t)), ErrNotRunning)
	require.NoError(t, s.Start())
	require.NoError(t, s.Pause())
	require.NoError(t, s.Kill())
	assert.False(t, s.Running())
}

func TestServerThatCannotStartShowsItsLog(t *testing.T) {
	s := Standalone(t, Options{})
	require.NoError(t, s.Stop())
	require.NoError(t, s.dir.write(configFile, "tickTime=soon\n"))
	require.NoError(t, s.Start())
	err := s.WaitReady(within(t))
	require.ErrorIs(t, err, ErrNotRunning)
	assert.ErrorContains(t, err, "exit status")
	assert.ErrorContains(t, err, "Invalid config", "the log must be shown")
}

func TestJavaThatCannotBeStarted(t *testing.T) {
	_, err := startStandalone(installation{java: "/nonexistent/java"}, Options{}, reserve)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "/nonexistent/java")
}

func TestOtherPortsAreChosenIfOneIsTaken(t *testing.T) {
	found := machine.require(t)
	taken, err := reserve(1)
	require.NoError(t, err)
	defer releaseAll(taken)
	listener, err := taken[0].listen()
	require.NoError(t, err)
	defer listener.Close()

	attempts := 0
	s, err := startStandalone(found, Options{}, func(n int) ([]*port, error) {
		attempts++
		if attempts == 1 {
			return []*port{{number: taken[0].number}}, nil
		}
		return reserve(n)
	})
	require.NoError(t, err)
	require.NoError(t, s.close())
	assert.Equal(t, 2, attempts)
}

func TestTakenPortsAreReportedInTheEnd(t *testing.T) {
	java := filepath.Join(t.TempDir(), "java")
	script := "#!/bin/sh\necho java.net.BindException: Address already in use\nexit 1\n"
	require.NoError(t, os.WriteFile(java, []byte(script), 0o700))
	attempts := 0
	_, err := startStandalone(installation{java: java}, Options{}, func(n int) ([]*port, error) {
		attempts++
		return reserve(n)
	})
	require.ErrorIs(t, err, errPortTaken)
	assert.Equal(t, portAttempts, attempts)
}

func TestServerEndsWithItsTest(t *testing.T) {
	machine.require(t)
	var s *Server
	tb := watch(t, func(tb TB) { s = Standalone(tb, Options{}) })
	assert.False(t, s.Running())
	assert.False(t, exists(t, s.dir.path), "the directory is left over")
	assert.Empty(t, tb.logs, "a test that passes has no log")
	if s.client.hold != nil {
		assert.ErrorIs(t, s.client.hold.Close(), os.ErrClosed, "the port is still reserved")
	}

	tb = watch(t, func(tb TB) {
		s = Standalone(tb, Options{})
		tb.Fatalf("fails on purpose")
	})
	assert.False(t, s.Running())
	require.Len(t, tb.logs, 1)
	assert.Contains(t, tb.logs[0], s.Addr())
	assert.Contains(t, tb.logs[0], "Processing srvr command")
}

func TestBadOptionsFailTheTest(t *testing.T) {
	machine.require(t)
	tb := watch(t, func(tb TB) { Standalone(tb, Options{TickTime: -1}) })
	require.Len(t, tb.fatals, 1)
	assert.Contains(t, tb.fatals[0], "TickTime")
	tb = watch(t, func(tb TB) { Ensemble(tb, 1, Options{}) })
	require.Len(t, tb.fatals, 1)
	assert.Contains(t, tb.fatals[0], "at least 2")
}
