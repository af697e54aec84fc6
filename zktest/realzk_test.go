package zktest_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/test/realzk"
)

// TestConformanceReal runs the same scripts against a real server: what is on file is what that one says.
func TestConformanceReal(t *testing.T) {
	conformance(t, true, func(t *testing.T) target {
		s := realzk.Standalone(t, realzk.Options{SuperDigest: superDigest, Properties: map[string]string{"zookeeper.enforceQuota": "true"}})
		return target{
			dial:     func(string) (net.Conn, error) { return net.Dial("tcp", s.Addr()) },
			patience: 30 * time.Second,
			expire: func(id int64, passwd []byte) {
				require.NoError(t, realzk.ExpireSession(t.Context(), s.Addr(), id, passwd))
			},
		}
	})
}
