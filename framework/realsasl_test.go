package framework_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/realzk"
)

// A real server that demands authentication with SASL accepts handshakes and closes the connection over everything else. The
// client says so, after a session timeout, whatever the handshakes do for its session.
func TestRealServerThatDemandsSASL(t *testing.T) {
	t.Parallel()
	srv := realzk.Standalone(t, realzk.Options{Properties: map[string]string{
		"zookeeper.sessionRequireClientSASLAuth": "true",
		"zookeeper.authProvider.sasl":            "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
	}})
	cli := realClient(t, srv.Addr(), timeout(4*time.Second))
	begun := time.Now()
	var h framework.Health
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := cli.Get(ctx, "/")
		assert.Error(t, err)
		h = cli.Health()
		return !h.Ready()
	}, patience, time.Millisecond)
	assert.GreaterOrEqual(t, time.Since(begun), 3900*time.Millisecond)
	assert.Contains(t, h.String(), "no operation has been answered for ")
	assert.Contains(t, h.String(), "the servers demand authentication with SASL")
	assert.True(t, h.Live(), h.String())
}
