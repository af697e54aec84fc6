package sasl_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/digestmd5"
	"github.com/docent-zk/docent/sasl"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDigestMD5(t *testing.T) {
	m := sasl.DigestMD5("orders", "the right s3cr3t")
	assert.Equal(t, "DIGEST-MD5", m.Name())
	for password, want := range map[string]string{"the right s3cr3t": "orders", "another": ""} {
		server := &digestmd5.Server{
			Service: "zookeeper", Host: "zk-sasl-md5", Nonce: func() string { return "n" },
			Password: func(string) (string, bool) { return password, true },
		}
		x, err := m.Start(t.Context(), sasl.Server{Host: "zk1", Address: "10.0.0.1:2181"})
		require.NoError(t, err)
		var challenge []byte
		for refused := false; !refused; {
			response, done, err := x.Next(t.Context(), challenge)
			require.NoError(t, err)
			if done {
				break
			}
			challenge, _, err = server.Next(response)
			refused = err != nil
		}
		assert.Equal(t, want, server.User())
	}
	x, err := m.Start(t.Context(), sasl.Server{})
	require.NoError(t, err)
	_, _, err = x.Next(t.Context(), nil)
	require.NoError(t, err)
	_, _, err = x.Next(t.Context(), []byte("nonsense"))
	require.ErrorContains(t, err, "DIGEST-MD5: ")
	require.ErrorIs(t, err, sasl.ErrServer)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(format, m), "s3cr3t")
	}
}

// A mechanism prints without its password.
func ExampleDigestMD5() {
	fmt.Println(sasl.DigestMD5("orders", os.Getenv("ZOOKEEPER_PASSWORD")))
	// Output: DIGEST-MD5 as "orders"
}
