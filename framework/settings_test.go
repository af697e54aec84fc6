package framework_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/zktest"
)

// settings returns the settings of a client by their names.
func settings(cli *framework.Client) map[string]framework.Setting {
	all := make(map[string]framework.Setting)
	for _, s := range cli.Info().Settings {
		all[s.Name] = s
	}
	return all
}

func TestCountsOfInfo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		assert.Equal(t, framework.Counts{Sessions: 1, Dials: 1}, cli.Info().Counts)
		s.Cut(zktest.AllConns())
		time.Sleep(sessionTimeout)
		n := cli.Info().Counts
		assert.Equal(t, []int64{1, 1, 0}, []int64{n.Sessions, n.Suspensions, n.Losses})
		s.Stop()
		time.Sleep(2 * sessionTimeout)
		n = cli.Info().Counts
		assert.Equal(t, []int64{1, 2, 1}, []int64{n.Sessions, n.Suspensions, n.Losses})
		assert.Positive(t, n.FailedDials)
		assert.Equal(t, int64(2), n.Dials-n.FailedDials)
		require.NoError(t, s.StartEndpoint())
	})
}

func TestSettingsOfAPlainClientAreEmpty(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		assert.Empty(t, connected(t, s).Info().Settings)
	})
}

func TestSettingsShowWhatIsConfiguredAndItsCondition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{SASLUsers: map[string]string{"ann": "right s3cr3t"}})
		file := t.TempDir() + "/session"
		cli := connected(t, s, func(c *framework.Config) {
			c.SASL = sasl.DigestMD5("ann", "right s3cr3t")
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("a:s3cr3t")}, {Scheme: "digest", Credentials: []byte("b:s3cr3t")}}
			c.SessionFile, c.ReadOnly, c.RebalanceAfter = file, true, 90*time.Second
			c.Prefer = func(string, string) bool { return true }
		})
		assert.Equal(t, map[string]framework.Setting{
			"SASL":              {Name: "SASL", State: "DIGEST-MD5"},
			"identities":        {Name: "identities", State: "digest (2)"},
			"session file":      {Name: "session file", State: file},
			"read-only servers": {Name: "read-only servers", State: "accepted when no other server can be reached"},
			"placement":         {Name: "placement", State: "the present server is a preferred one; sessions are spread again after 1m30s"},
		}, settings(cli))
	})
}

func TestSettingsShowARefusedIdentity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{SASLUsers: map[string]string{"ann": "right s3cr3t"}})
		cli := newClient(t, s, func(c *framework.Config) { c.SASL = sasl.DigestMD5("ann", "wrong s3cr3t") })
		time.Sleep(sessionTimeout)
		synctest.Wait()
		require.ErrorIs(t, settings(cli)["SASL"].Err, framework.ErrAuthFailed)
	})
}
