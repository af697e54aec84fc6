package kerberos_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/realzk"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/sasl/kerberos"
)

// patience is for what happens soon, on a machine that is busy with other things.
const patience = time.Minute

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// mechanism is one for the realm's server, which ends with the test.
func (r *realm) mechanism(t *testing.T, cfg kerberos.Config) *kerberos.Mechanism {
	t.Helper()
	cfg.Krb5Conf = r.kdc.Config()
	if cfg.ServerPrincipal == "" {
		cfg.ServerPrincipal = serverPrincipal
	}
	m, err := kerberos.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	return m
}

// client is one that ends with the test, ahead of its mechanism.
func client(t *testing.T, m sasl.Mechanism, addr string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: addr, SessionTimeout: 10 * time.Second, SASL: m, ACL: framework.CreatorACL()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	return cli
}

// requireIdentity waits for a connection, and for a node that belongs to the client only.
func requireIdentity(t *testing.T, cli *framework.Client, path, want string) {
	t.Helper()
	ctx := within(t, patience)
	require.NoError(t, cli.WaitConnected(ctx))
	_, err := cli.Create(ctx, path, nil)
	require.NoError(t, err)
	acl, _, err := cli.ACL(ctx, path)
	require.NoError(t, err)
	require.Len(t, acl, 1)
	assert.Equal(t, "sasl:"+want, acl[0].Scheme+":"+acl[0].ID)
}

// A client is let in with a keytab, a password and a credential cache, and its nodes are its own.
func TestRealServerAcceptsEachSourceOfTickets(t *testing.T) {
	t.Parallel()
	r := inRealm(t)
	cache := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, r.kdc.Kinit(cache, r.keytab, "billing"))
	for name, c := range map[string]struct {
		config kerberos.Config
		want   string
	}{
		"keytab":   {kerberos.Config{Principal: "orders", Keytab: r.keytab}, "orders@" + realzk.Realm},
		"password": {kerberos.Config{Principal: "passing@" + realzk.Realm, Password: password}, "passing@" + realzk.Realm},
		"cache":    {kerberos.Config{CredentialCache: "FILE:" + cache}, "billing@" + realzk.Realm},
	} {
		t.Run(name, func(t *testing.T) {
			requireIdentity(t, client(t, r.mechanism(t, c.config), r.server.Addr()), "/of-"+name, c.want)
		})
	}
}
