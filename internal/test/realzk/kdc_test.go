package realzk

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A realm has principals with keytabs and caches; its KDC stops and starts again.
func TestKDC(t *testing.T) {
	t.Parallel()
	kdc := StartKDC(t)
	require.NoError(t, kdc.AddPrincipal("orders", "-maxlife", "10 min"))
	require.Error(t, kdc.AddPrincipal("orders"), "it is there")
	keytab, err := kdc.Keytab("orders")
	require.NoError(t, err)
	_, err = kdc.Keytab("nobody")
	require.Error(t, err)
	cache := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, kdc.Kinit(cache, keytab, "orders"))
	content, err := os.ReadFile(cache)
	require.NoError(t, err)
	assert.Contains(t, string(content), Realm)

	require.NoError(t, kdc.Stop())
	require.Error(t, kdc.Kinit(cache, keytab, "orders"))
	require.NoError(t, kdc.Start())
	require.NoError(t, kdc.Kinit(cache, keytab, "orders"))
	require.NoError(t, kdc.Rekey("orders"))
	require.Error(t, kdc.Kinit(cache, keytab, "orders"), "the keytab is old")
}

func TestKDCWhereKerberosIsNot(t *testing.T) {
	none := &host{getenv: func(string) string { return "" }, short: func() bool { return false }}
	if _, err := none.kerberos(); err != nil { // unless it is in one of the system's directories
		require.ErrorContains(t, err, "there is no ")
	}
	short := &host{short: func() bool { return true }}
	_, err := short.kerberos()
	require.ErrorContains(t, err, "-short")
}
