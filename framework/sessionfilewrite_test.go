package framework

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/sessionfile"
	"github.com/docent-zk/docent/zktest"
)

// A file that cannot be written costs its purpose, and nothing else. Health tells of it.
func TestSessionFileThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "session")
		cli, err := New(Config{ConnectString: s.ConnectString(), SessionTimeout: 4 * time.Second, Dialer: s.Client("test").Dial, SessionFile: path})
		require.NoError(t, err)
		require.NoError(t, cli.WaitConnected(t.Context()))
		assert.Empty(t, cli.Health().Reasons)
		require.NoError(t, cli.core.sessionFile.file.Close()) // the supervisor is idle, and uses the file in the next session
		for range 2 {
			require.True(t, s.ExpireSession(cli.State().SessionID))
			time.Sleep(time.Second)
			_, err = cli.Create(t.Context(), "/mine", nil, Ephemeral)
			require.NoError(t, err)
			h := cli.Health()
			require.Len(t, h.Reasons, 1)
			assert.Contains(t, h.String(), "the session is not in Config.SessionFile: write "+path+": ")
			assert.True(t, h.Ready(), "a notice")
		}
		since := cli.Health().Reasons[0].Since
		assert.Equal(t, time.Second, time.Since(since).Truncate(time.Second), "since the first session that was not written")
		cli.core.sessionFile.file, err = sessionfile.Open(path)
		require.NoError(t, err)
		require.True(t, s.ExpireSession(cli.State().SessionID))
		time.Sleep(time.Second)
		require.NoError(t, cli.WaitConnected(t.Context()))
		assert.Empty(t, cli.Health().Reasons)
		require.NoError(t, cli.Close())
		require.NoError(t, s.Close())
	})
}
