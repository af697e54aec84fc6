package emitted

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/zktest"
)

// Neither spans nor metrics have a password in them, whether the servers accept it or not.
func TestNoSecretIsEmitted(t *testing.T) {
	for name, password := range map[string]string{"accepted": "right s3cr3t", "refused": "wrong s3cr3t"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, err := zktest.StartMemory(zktest.Config{SASLUsers: map[string]string{"ann": "right s3cr3t"}, RequireSASL: true})
				require.NoError(t, err)
				defer func() { assert.NoError(t, s.Close()) }()
				c := collect()
				cli, err := framework.New(framework.Config{
					ConnectString: s.ConnectString(), SessionTimeout: sessionTimeout, Dialer: s.Client("a").Dial, TracerProvider: c.tracer, MeterProvider: c.meter,
					SASL: sasl.DigestMD5("ann", password), Auth: []framework.Auth{{Scheme: "digest", Credentials: []byte("ann:s3cr3t")}},
				})
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, _ = cli.Create(ctx, "/node", nil)
				_, _ = cli.Create(ctx, "/node", nil)
				synctest.Wait()
				metrics, err := json.Marshal(c.metrics(t))
				require.NoError(t, err)
				require.NoError(t, cli.Close())
				spans, err := json.Marshal(c.spans.GetSpans())
				require.NoError(t, err)
				require.Contains(t, string(spans), "/node")
				for _, text := range []string{string(metrics), string(spans)} {
					assert.NotContains(t, text, "s3cr3t")
				}
			})
		})
	}
}
