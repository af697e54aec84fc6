//go:build linux

package chaos

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestJournalOfAProcessThatWasKilledCanBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := OpenJournal(path, 3, 2)
	require.NoError(t, err)
	want := Record{Op: Granted, Role: roleMutex, From: Now(), Token: 1 << 60}
	j.Put(want)
	j.Put(Record{Op: Ended})
	require.NoError(t, j.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text[:len(text)-3], 0o600))
	records, err := ReadJournal(path)
	require.NoError(t, err)
	want.Worker, want.Life = 3, 2
	assert.Equal(t, []Record{want}, records, "the line that is not complete does not count")
}

func TestReadLogsFindsEverySetOfARealServer(t *testing.T) {
	server := realzk.Standalone(t, realzk.Options{})
	cli, err := framework.New(framework.Config{ConnectString: server.Addr()})
	require.NoError(t, err)
	defer cli.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = cli.Create(ctx, "/node", nil)
	require.NoError(t, err)
	stat, err := cli.Set(ctx, "/node", []byte("one"), framework.AnyVersion)
	require.NoError(t, err)
	results, err := cli.Multi(ctx, []framework.Op{
		framework.CheckOp("/node", 1), framework.SetOp("/node", []byte("two"), framework.AnyVersion), framework.CreateOp("/other", nil, framework.Persistent),
	})
	require.NoError(t, err)
	_, err = cli.Multi(ctx, []framework.Op{framework.SetOp("/node", []byte("never"), framework.AnyVersion), framework.CheckOp("/node", 77)})
	require.ErrorIs(t, err, framework.ErrBadVersion)
	require.NoError(t, server.Kill())

	var found []Set
	require.NoError(t, ReadLogs(server.DataDir(), func(s Set) { found = append(found, s) }))
	assert.Equal(t, []Set{{"/node", "one", 1, stat.Mzxid}, {"/node", "two", 2, results[1].Stat.Mzxid}}, found)
}

func TestReadLogsRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "version-2"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "version-2", "log.1"), make([]byte, 100), 0o600))
	require.ErrorIs(t, ReadLogs(dir, func(Set) {}), errLog)
}

// A step forward by more than the margin is sleep to docent, and voids trust; a step back is nothing.
func TestStepOfTheClockReachesTheClient(t *testing.T) {
	server := realzk.Standalone(t, realzk.Options{})
	var asleep atomic.Int64
	var falling atomic.Bool // it sleeps again before each look, so that no answer restores trust
	cli, err := startClient(framework.Config{ConnectString: server.Addr(), SessionTimeout: time.Minute}, func() time.Duration {
		if falling.Load() {
			asleep.Add(int64(time.Minute))
		}
		return time.Duration(asleep.Load())
	})
	require.NoError(t, err)
	defer cli.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, cli.WaitConnected(ctx))
	session, err := cli.Session(ctx)
	require.NoError(t, err)
	asleep.Store(-int64(time.Hour))
	require.True(t, session.TrustedUntil().After(time.Now()))
	falling.Store(true)
	require.False(t, session.TrustedUntil().After(time.Now()))
}
