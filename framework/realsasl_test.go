package framework_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/sasl"
)

// A real server that demands authentication with SASL accepts handshakes and closes the connection over everything else. The
// client says so, after a session timeout, whatever the handshakes do for its session.
func TestRealServerThatDemandsSASL(t *testing.T) {
	t.Parallel()
	srv := saslServer(t)
	begun := time.Now()
	cli := realClient(t, srv.Addr(), timeout(4*time.Second))
	var h framework.Health
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := cli.Get(ctx, "/")
		assert.Error(t, err)
		h = cli.Health()
		// On a busy machine, other reasons may come ahead of these, for a while.
		return strings.Contains(h.String(), "no operation has been answered for ") && errors.Is(h.Reasons[0].Err, framework.ErrAuthRequired)
	}, patience, time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(begun), 3900*time.Millisecond)
	assert.False(t, h.Ready())
	assert.Contains(t, h.String(), "set Config.SASL")
	require.ErrorIs(t, cli.WaitConnected(within(t, 100*time.Millisecond)), framework.ErrAuthRequired)
	assert.True(t, h.Live(), h.String())
}

// saslServer knows the user orders, and answers nobody who has not authenticated.
func saslServer(t *testing.T) *realzk.Server {
	t.Helper()
	jaas := filepath.Join(t.TempDir(), "jaas.conf")
	section := `Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_orders="the right s3cr3t"; };`
	require.NoError(t, os.WriteFile(jaas, []byte(section), 0o600))
	return realzk.Standalone(t, realzk.Options{Properties: map[string]string{
		"zookeeper.sessionRequireClientSASLAuth": "true",
		"zookeeper.authProvider.sasl":            "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
		"java.security.auth.login.config":        jaas,
	}})
}

// DIGEST-MD5 on a real server: a session that goes on over a broken connection, nodes of the identity's own, and a wrong password.
func TestRealSASL(t *testing.T) {
	t.Parallel()
	srv := saslServer(t)
	proxy := realzk.NewProxy(t, srv.Addr())
	cli := realClient(t, proxy.Addr(), identified(sasl.DigestMD5("orders", "the right s3cr3t")), func(c *framework.Config) { c.ACL = framework.CreatorACL() })
	ctx := within(t, patience)
	_, err := cli.Create(ctx, "/mine", nil)
	require.NoError(t, err)
	acl, _, err := cli.ACL(ctx, "/mine")
	require.NoError(t, err)
	require.Len(t, acl, 1)
	assert.Equal(t, "sasl:orders", acl[0].Scheme+":"+acl[0].ID)
	session := sessionOf(t, cli)
	next := follow(t, cli)
	proxy.Cut()
	next(framework.Suspended)
	next(framework.Reconnected)
	_, err = session.Get(ctx, "/mine")
	require.NoError(t, err)

	wrong := clientOf(t, framework.Config{ConnectString: srv.Addr(), SessionTimeout: sessionTimeout, SASL: sasl.DigestMD5("orders", "a wrong s3cr3t")})
	require.Eventually(t, func() bool { return wrong.Info().Err != nil }, patience, time.Millisecond)
	err = wrong.WaitConnected(within(t, 100*time.Millisecond))
	require.ErrorIs(t, err, framework.ErrAuthFailed)
	require.ErrorContains(t, err, "refuses this identity")
}

// A server without a JAAS file answers an exchange with nothing.
func TestRealSASLThatIsNotOffered(t *testing.T) {
	space := realzk.Shared(t)
	cli := clientOf(t, framework.Config{ConnectString: space.ConnectString(), SessionTimeout: sessionTimeout, SASL: sasl.DigestMD5("orders", "s3cr3t")})
	require.Eventually(t, func() bool { return cli.Info().Err != nil }, patience, time.Millisecond)
	err := cli.WaitConnected(within(t, 100*time.Millisecond))
	require.ErrorIs(t, err, framework.ErrAuthFailed)
	require.ErrorContains(t, err, "JAAS")
}
