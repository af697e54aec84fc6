package framework_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestInfo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		cli := newClient(t, s)
		info := cli.Info()
		assert.Equal(t, cli.State(), info.StateChange)
		assert.Equal(t, "/", info.Namespace)
		assert.Zero(t, info.LastAnswer)
		assert.Zero(t, info.TrustedUntil)
		time.Sleep(time.Second)
		require.ErrorContains(t, cli.Info().Err, "connection refused")

		require.NoError(t, s.StartEndpoint())
		awaitState(t, cli, framework.Connected)
		session := sessionOf(t, cli)
		asked := time.Now()
		_, err := cli.Get(t.Context(), "/")
		require.NoError(t, err)
		info = cli.Info()
		assert.Equal(t, framework.Connected, info.State)
		assert.Equal(t, session.ID(), info.SessionID)
		assert.EqualValues(t, 1, info.Epoch)
		assert.Equal(t, sessionTimeout, info.Timeout)
		assert.Equal(t, s.Addrs()[0], info.Server)
		assert.Equal(t, asked, info.LastAnswer)
		assert.Equal(t, asked.Add(sessionTimeout*3/4), info.TrustedUntil)
		assert.Equal(t, session.TrustedUntil(), info.TrustedUntil)
		require.NoError(t, info.Err)

		s.Stop()
		awaitState(t, cli, framework.Lost)
		time.Sleep(time.Millisecond)
		info = cli.Info()
		assert.Equal(t, framework.Lost, info.State)
		assert.Equal(t, session.ID(), info.SessionID)
		assert.True(t, info.TrustedUntil.Before(time.Now()))
		require.ErrorContains(t, info.Err, "connection refused")

		below, err := cli.Namespace("/a/b")
		require.NoError(t, err)
		assert.Equal(t, "/a/b", below.Info().Namespace)
		require.NoError(t, cli.Close())
		assert.Equal(t, framework.Closed, cli.Info().State)
	})
}

// A server that refuses an identity closes every connection: that is what has to be put right.
func TestInfoOfARefusedIdentity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := newClient(t, s, func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "unheard-of", Credentials: []byte("s3cr3t")}}
		})
		time.Sleep(time.Second)
		s.Stop()
		time.Sleep(time.Second)
		require.ErrorIs(t, cli.Info().Err, framework.ErrAuthFailed)
		assert.NotContains(t, cli.Info().Err.Error(), "s3cr3t")
	})
}

func TestHistory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := newClient(t, s)
		r := record(t, cli)
		awaitState(t, cli, framework.Connected)
		for i := range 70 { // two changes each: more than are remembered
			s.Cut(zktest.AllConns())
			awaitState(t, cli, framework.Suspended, framework.Lost)
			awaitState(t, cli, framework.Reconnected, framework.Connected)
			all := r.all()
			require.Equal(t, all[max(0, len(all)-128):], cli.History(), "%d", i)
		}
		require.Len(t, cli.History(), 128)
		cli.History()[0].Epoch = 99
		assert.NotEqual(t, 99, cli.History()[0].Epoch, "a copy")
		require.NoError(t, cli.Close())
		all := r.all()
		assert.Equal(t, all[len(all)-128:], cli.History())
	})
}
