package framework_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// as makes a client present an identity.
func as(user, password string) configure {
	return func(c *framework.Config) {
		c.Auth = append(c.Auth, framework.Auth{Scheme: "digest", Credentials: []byte(user + ":" + password)})
	}
}

func TestIdentitiesAndACLs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		me := connected(t, s, as("me", "s3cr3t"), func(c *framework.Config) { c.ACL = framework.CreatorACL() })
		also := connected(t, s, as("other", "s3cr3t"), as("me", "s3cr3t"))
		nobody := connected(t, s)
		ctx := t.Context()
		_, err := me.Create(ctx, "/mine", []byte("data"))
		require.NoError(t, err)

		acl, stat, err := me.ACL(ctx, "/mine")
		require.NoError(t, err)
		assert.Equal(t, framework.DigestACL(zk.PermAll, "me", "s3cr3t"), acl, "the creator's identity stands in it")
		_, err = also.Get(ctx, "/mine")
		require.NoError(t, err, "one of two identities is enough")
		_, err = nobody.Get(ctx, "/mine")
		require.ErrorIs(t, err, framework.ErrNoAuth)
		require.ErrorIs(t, err, zk.ErrNoAuth)
		require.ErrorContains(t, err, "get /mine")
		_, err = nobody.Create(ctx, "/none", nil, framework.WithACL(framework.CreatorACL()))
		require.ErrorIs(t, err, framework.ErrInvalidACL, "it has no identity")

		changed, err := me.SetACL(ctx, "/mine", framework.OpenACL(), stat.Aversion)
		require.NoError(t, err)
		assert.Equal(t, stat.Aversion+1, changed.Aversion)
		_, err = me.SetACL(ctx, "/mine", framework.OpenACL(), stat.Aversion)
		require.ErrorIs(t, err, framework.ErrBadVersion)
		_, err = nobody.Get(ctx, "/mine")
		require.NoError(t, err)
		_, err = nobody.SetACL(ctx, "/mine", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrInvalidACL)
	})
}

// Identities hold for every connection and for every session.
func TestIdentitiesAreKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		credentials := []byte("me:secret")
		cli := connected(t, s, func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: credentials}}
			c.ACL = framework.CreatorACL()
		})
		clear(credentials) // a caller may wipe them
		_, err := cli.Create(t.Context(), "/mine", nil)
		require.NoError(t, err)
		for _, event := range []string{"blip", "expired", "lost"} {
			events[event](t, s, cli)
			_, err := cli.Get(t.Context(), "/mine")
			require.NoError(t, err, event)
		}
	})
}

// A server that does not know the scheme closes each connection: whoever waits is told why.
func TestWrongScheme(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		cli := newClient(t, s, func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "nonsense", Credentials: []byte("top:s3cr3t")}}
		})
		r := record(t, cli)
		time.Sleep(10 * time.Second)
		_, err := cli.Get(within(t, 2*time.Second), "/node")
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, `identity of scheme "nonsense"`)
		assert.NotContains(t, err.Error(), "s3cr3t")
		err = cli.WaitConnected(within(t, time.Millisecond))
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		assert.Less(t, s.Counts().Accepted, int64(50), "it keeps trying, calmly")
		synctest.Wait()
		requireOrder(t, r.all())
	})
}

// When the servers have learned of it, the refusal is forgotten.
func TestRefusedIdentityThatIsAcceptedLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "")
		var refuse atomic.Bool
		refuse.Store(true)
		cli := newClient(t, s, as("me", "s3cr3t"), func(c *framework.Config) {
			dial := c.Dialer
			c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := dial(ctx, network, address)
				if err == nil && refuse.Load() {
					conn = &wrongScheme{Conn: conn}
				}
				return conn, err
			}
		})
		_, err := cli.Get(within(t, time.Second), "/node")
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		refuse.Store(false)
		_, err = cli.Get(within(t, sessionTimeout), "/node")
		require.NoError(t, err)
		s.Stop()
		_, err = cli.Get(within(t, time.Second), "/node")
		require.NotErrorIs(t, err, framework.ErrAuthFailed)
		require.NoError(t, s.StartEndpoint())
	})
}

// wrongScheme spoils the scheme of what its client presents, "digest".
type wrongScheme struct{ net.Conn }

func (c *wrongScheme) Write(b []byte) (int, error) {
	return c.Conn.Write(bytes.Replace(b, []byte("digest"), []byte("d1gest"), 1))
}

func TestDigestACL(t *testing.T) {
	acl := framework.DigestACL(zk.PermRead, "me", "s3cr3t")
	require.Len(t, acl, 1)
	assert.Equal(t, "digest", acl[0].Scheme)
	assert.True(t, strings.HasPrefix(acl[0].ID, "me:"))
	assert.NotContains(t, acl[0].ID, "s3cr3t")
	assert.EqualValues(t, zk.PermRead, acl[0].Perms)
}
