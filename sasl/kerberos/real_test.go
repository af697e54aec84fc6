package kerberos_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
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
	if cfg.Krb5Conf == "" {
		cfg.Krb5Conf = r.kdc.Config()
	}
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
	cli, err := framework.New(framework.Config{ConnectString: addr, SessionTimeout: 30 * time.Second, SASL: m, ACL: framework.CreatorACL()})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	return cli
}

// requireIdentity waits for a connection, and for a node that belongs to the client only.
func requireIdentity(t *testing.T, cli *framework.Client, want string) (path string) {
	t.Helper()
	ctx := within(t, patience)
	require.NoError(t, cli.WaitConnected(ctx))
	path = "/" + rand.Text()
	_, err := cli.Create(ctx, path, nil)
	require.NoError(t, err)
	acl, _, err := cli.ACL(ctx, path)
	require.NoError(t, err)
	require.Len(t, acl, 1)
	assert.Equal(t, "sasl:"+want, acl[0].Scheme+":"+acl[0].ID)
	return path
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
			requireIdentity(t, client(t, r.mechanism(t, c.config), r.server.Addr()), c.want)
		})
	}
}

// behind returns a krb5.conf whose KDC is reached by another address.
func (r *realm) behind(t *testing.T, addr string) string {
	t.Helper()
	text, err := os.ReadFile(r.kdc.Config())
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "krb5.conf")
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte(r.kdc.Addr()), []byte(addr)), 0o600))
	return path
}

// A node that belongs to one identity cannot be read by another one.
func TestRealServerKeepsIdentitiesApart(t *testing.T) {
	t.Parallel()
	r := inRealm(t)
	orders := client(t, r.mechanism(t, kerberos.Config{Principal: "orders", Keytab: r.keytab}), r.server.Addr())
	billing := client(t, r.mechanism(t, kerberos.Config{Principal: "billing", Keytab: r.keytab}), r.server.Addr())
	path := requireIdentity(t, orders, "orders@"+realzk.Realm)
	ctx := within(t, patience)
	_, err := billing.Get(ctx, path)
	require.ErrorIs(t, err, framework.ErrNoAuth)
	require.NoError(t, billing.WaitConnected(ctx))
}

// Each refusal by the KDC or the server has its kind and says what to do.
func TestRealRefusals(t *testing.T) {
	t.Parallel()
	r := inRealm(t)
	unreachable := realzk.NewProxy(t, r.kdc.Addr())
	unreachable.Refuse()
	for name, c := range map[string]struct {
		config kerberos.Config
		kind   error
		says   string
	}{
		"old keytab":        {kerberos.Config{Principal: "rekeyed", Keytab: r.old}, sasl.ErrCredentials, "rekeyed@" + realzk.Realm},
		"wrong password":    {kerberos.Config{Principal: "passing", Password: "another s3cr3t"}, sasl.ErrCredentials, "passing@" + realzk.Realm},
		"unknown principal": {kerberos.Config{Principal: "nobody", Password: "s3cr3t"}, sasl.ErrCredentials, "no principal nobody"},
		"unknown server":    {kerberos.Config{Principal: "orders", Keytab: r.keytab, ServerPrincipal: "zookeeper/nowhere"}, sasl.ErrUnknownServer, "no principal zookeeper/nowhere"},
		"another server":    {kerberos.Config{Principal: "orders", Keytab: r.keytab, ServerPrincipal: "zookeeper/elsewhere"}, sasl.ErrRefused, "could not accept a ticket for zookeeper/elsewhere"},
		"no KDC":            {kerberos.Config{Principal: "orders", Keytab: r.keytab, Krb5Conf: r.behind(t, unreachable.Addr())}, sasl.ErrUnreachable, "refused"},
		"no cache":          {kerberos.Config{CredentialCache: filepath.Join(t.TempDir(), "none")}, sasl.ErrConfiguration, "run kinit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cli := client(t, r.mechanism(t, c.config), r.server.Addr())
			var err error
			require.Eventually(t, func() bool {
				err = cli.WaitConnected(within(t, 100*time.Millisecond))
				return errors.Is(err, c.kind) // a KDC that is slow for once is another one
			}, patience, time.Millisecond)
			require.ErrorIs(t, err, framework.ErrAuthFailed)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "s3cr3t")
		})
	}
}

// A client with tickets of four seconds stays a client for longer: they are refreshed, and a connection that breaks is followed by another one.
func TestRealTicketsAreRefreshed(t *testing.T) {
	t.Parallel()
	r := inRealm(t)
	proxy := realzk.NewProxy(t, r.server.Addr())
	m := r.mechanism(t, kerberos.Config{Principal: "shortlived", Keytab: r.keytab})
	cli := client(t, m, proxy.Addr())
	session, err := cli.Session(within(t, patience))
	require.NoError(t, err)
	first := m.TicketEnd()
	require.Eventually(t, func() bool { return time.Now().After(first) && m.TicketEnd().After(first) }, patience, 10*time.Millisecond)
	proxy.Cut()
	_, err = session.Get(within(t, patience), "/")
	require.NoError(t, err)
}

// The ticket of a credential cache is renewed, and what comes back is as good.
func TestRealTicketIsRenewed(t *testing.T) {
	t.Parallel()
	r := inRealm(t)
	cache := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, r.kdc.Kinit(cache, r.keytab, "renewing", "-l", "10m", "-r", "1h"))
	proxy := realzk.NewProxy(t, r.server.Addr())
	m := r.mechanism(t, kerberos.Config{CredentialCache: cache})
	cli := client(t, m, proxy.Addr())
	session, err := cli.Session(within(t, patience))
	require.NoError(t, err)
	require.NoError(t, m.RenewNow(within(t, patience)))
	proxy.Cut()
	_, err = session.Get(within(t, patience), "/")
	require.NoError(t, err)

	require.NoError(t, r.kdc.Kinit(cache, r.keytab, "renewing", "-l", "10m"))
	other := r.mechanism(t, kerberos.Config{CredentialCache: cache})
	_, err = other.Start(within(t, patience), sasl.Server{})
	require.NoError(t, err)
	require.ErrorIs(t, other.RenewNow(within(t, patience)), sasl.ErrRefused, "it was not made renewable")
}

// The KDC is away while a client begins, and comes back.
func TestRealKDCComesBack(t *testing.T) {
	t.Parallel()
	r := inRealm(t)
	kdc := realzk.NewProxy(t, r.kdc.Addr())
	kdc.Refuse()
	cli := client(t, r.mechanism(t, kerberos.Config{Principal: "orders", Keytab: r.keytab, Krb5Conf: r.behind(t, kdc.Addr())}), r.server.Addr())
	require.Eventually(t, func() bool {
		return errors.Is(cli.WaitConnected(within(t, 100*time.Millisecond)), sasl.ErrUnreachable)
	}, patience, time.Millisecond)
	require.NoError(t, kdc.Heal())
	require.NoError(t, cli.WaitConnected(within(t, patience)))
}
