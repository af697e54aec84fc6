package framework_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/zktest"
)

// digest is an identity of that user.
func digest(user string) framework.Auth {
	return framework.Auth{Scheme: "digest", Credentials: []byte(user + ":s3cr3t of " + user)}
}

// whoIs lists the identities that the server knows the client by, without its address.
func whoIs(t *testing.T, cli *framework.Client) (list []string) {
	t.Helper()
	identities, err := cli.WhoAmI(within(t, time.Minute))
	require.NoError(t, err)
	for _, id := range identities {
		if id.Scheme != "ip" {
			list = append(list, id.Scheme+":"+id.ID)
		}
	}
	return list
}

// An identity that is added holds at once, on later connections and in later sessions. It costs no connection.
func TestAddAuth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.Auth = []framework.Auth{digest("ann")} })
		r := record(t, cli)
		credentials := digest("bob").Credentials
		require.NoError(t, cli.AddAuth(within(t, time.Minute), "digest", credentials))
		clear(credentials) // a caller may wipe them
		require.NoError(t, cli.AddAuth(within(t, time.Minute), "digest", digest("bob").Credentials), "again")
		assert.Equal(t, []string{"digest:ann", "digest:bob"}, whoIs(t, cli))
		assert.Equal(t, []framework.State{framework.Connected}, r.states())
		_, err := cli.Create(t.Context(), "/bobs", nil, framework.WithACL(framework.DigestACL(1, "bob", "s3cr3t of bob")))
		require.NoError(t, err)
		for _, event := range []string{"blip", "expired", "lost"} {
			events[event](t, s, cli)
			_, err := cli.Get(within(t, time.Minute), "/bobs")
			require.NoError(t, err, event)
			assert.Equal(t, []string{"digest:ann", "digest:bob"}, whoIs(t, cli), event)
		}
	})
}

// An identity that is added while there is no connection is presented on the next one.
func TestAddAuthWithoutAConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		cli := newClient(t, s)
		err := cli.AddAuth(within(t, time.Second), "digest", digest("ann").Credentials)
		require.ErrorIs(t, err, framework.ErrNotConnected)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.NotContains(t, err.Error(), "s3cr3t")
		done := make(chan error, 1)
		go func() { done <- cli.AddAuth(within(t, time.Minute), "digest", digest("bob").Credentials) }()
		time.Sleep(time.Second)
		require.NoError(t, s.StartEndpoint())
		require.NoError(t, <-done)
		assert.Equal(t, []string{"digest:ann", "digest:bob"}, whoIs(t, cli))
		require.Error(t, cli.AddAuth(t.Context(), "", nil))
		require.NoError(t, cli.Close())
		require.ErrorIs(t, cli.AddAuth(t.Context(), "digest", digest("cid").Credentials), framework.ErrClosed)
	})
}

// A refused identity is dropped. It costs the connection, and nothing else.
func TestAddAuthThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		var lines bytes.Buffer
		cli := connected(t, s, func(c *framework.Config) {
			c.Auth = []framework.Auth{digest("ann")}
			c.Logger = slog.New(slog.NewTextHandler(&lines, nil))
		})
		session := sessionID(t, s)
		err := cli.AddAuth(within(t, time.Minute), "nonsense", []byte("bob:s3cr3t"))
		var refused *framework.AuthError
		require.ErrorAs(t, err, &refused)
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		assert.Equal(t, "nonsense", refused.Scheme)
		assert.Equal(t, s.Addrs()[0], refused.Server)
		assert.Contains(t, refused.Advice, "authentication provider")
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		assert.Equal(t, []string{"digest:ann"}, whoIs(t, cli))
		assert.Equal(t, session, sessionID(t, s))
		require.NoError(t, cli.Info().Err)
		require.NoError(t, cli.Close())
		assert.Equal(t, 1, bytes.Count(lines.Bytes(), []byte("a new identity is refused")))
		assert.NotContains(t, lines.String()+err.Error(), "s3cr3t")
	})
}

// An identity that is replaced is gone from the connection, in the same session and without SUSPENDED.
func TestSetAuth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{Endpoints: 2})
		cli := connected(t, s, func(c *framework.Config) { c.Auth = []framework.Auth{digest("ann"), digest("bob")} })
		r := record(t, cli)
		claim := hold(t, cli, "/held")
		session := sessionID(t, s)
		require.NoError(t, cli.SetAuth(within(t, time.Minute), digest("bob"), digest("ann")))
		assert.Len(t, r.all(), 1, "nothing has changed")
		require.NoError(t, cli.SetAuth(within(t, time.Minute), digest("bob"), digest("cid")))
		assert.Equal(t, []string{"digest:bob", "digest:cid"}, whoIs(t, cli))
		require.NoError(t, cli.SetAuth(within(t, time.Minute)))
		assert.Empty(t, whoIs(t, cli))
		require.NoError(t, claim.Err())
		assert.Equal(t, session, sessionID(t, s))
		assert.Zero(t, r.count(framework.Suspended))
		assert.Equal(t, 2, r.count(framework.Reconnected))
		events["expired"](t, s, cli)
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		assert.Empty(t, whoIs(t, cli))
	})
}

// If one of the new identities is refused, the client keeps those that it had.
func TestSetAuthThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) { c.Auth = []framework.Auth{digest("ann")} })
		err := cli.SetAuth(within(t, time.Minute), digest("bob"), framework.Auth{Scheme: "nonsense", Credentials: []byte("s3cr3t")})
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		assert.Equal(t, []string{"digest:ann"}, whoIs(t, cli))
	})
}

// Identities change while connections break.
func TestSetAuthAmongFaults(t *testing.T) {
	for seed := range byte(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{Endpoints: 2, Seed: uint64(seed), Latency: time.Millisecond})
				cli := connected(t, s, func(c *framework.Config) { c.Random = seeded(seed) })
				done := make(chan struct{})
				go func() {
					defer close(done)
					for i := range 40 {
						err := cli.SetAuth(within(t, time.Minute), digest(fmt.Sprint("user", i%3)), digest("always"))
						assert.NoError(t, err)
					}
				}()
				random, pause := seeded(seed+50), make([]byte, 1)
				for !isOver(done) {
					_, _ = random.Read(pause)
					time.Sleep(time.Duration(pause[0]) * 400 * time.Microsecond)
					s.Cut(zktest.AllConns())
				}
				assert.ElementsMatch(t, []string{"digest:always", "digest:user0"}, whoIs(t, cli))
			})
		})
	}
}

// An AddAuth whose identity SetAuth drops, before a server has answered it, returns: no server will.
func TestAddAuthWhoseIdentityIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		cli := newClient(t, s)
		added, set := make(chan error, 1), make(chan error, 1)
		go func() { added <- cli.AddAuth(context.Background(), "digest", []byte("ann:s3cr3t")) }()
		synctest.Wait()
		go func() { set <- cli.SetAuth(context.Background()) }()
		require.ErrorContains(t, <-added, "SetAuth has dropped the identity")
		require.NoError(t, s.StartEndpoint())
		require.NoError(t, <-set)
		assert.Empty(t, whoIs(t, cli))
	})
}

// Servers that demand authentication let WaitConnected wait, and every sign names what is missing. When they let the client in, that is over.
func TestServersThatDemandAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		var demand atomic.Bool
		demand.Store(true)
		stop := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			switch {
			case !demand.Load():
			case f.Stage == zktest.Request && !keeps(f) && !connecting(f):
				return zktest.AnswerWith(zktest.ErrSASLRequired)
			case f.Stage == zktest.Reply && f.Err == zktest.ErrSASLRequired:
				return zktest.CutAfter
			}
			return zktest.Pass
		})
		defer stop()
		var lines bytes.Buffer
		cli := newClient(t, s, func(c *framework.Config) { c.Logger = slog.New(slog.NewTextHandler(&lines, nil)) })
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)), "a handshake says nothing of it")
		_, err := cli.Get(within(t, time.Minute), "/")
		require.ErrorIs(t, err, framework.ErrAuthRequired)
		require.ErrorContains(t, err, "set Config.SASL")
		time.Sleep(2 * sessionTimeout)
		for _, err := range []error{cli.WaitConnected(within(t, time.Second)), cli.Info().Err, cli.Health().Reasons[0].Err} {
			require.ErrorIs(t, err, framework.ErrAuthRequired)
			var failed *framework.AuthError
			require.ErrorAs(t, err, &failed)
			assert.NotEmpty(t, failed.Advice)
		}
		demand.Store(false)
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		require.NoError(t, cli.Info().Err)
		assert.True(t, cli.Health().Ready())
		require.NoError(t, cli.Close())
		assert.Equal(t, 1, bytes.Count(lines.Bytes(), []byte("the servers do not accept the client")), lines.String())
		assert.Equal(t, 1, bytes.Count(lines.Bytes(), []byte("the servers accept the client again")))
	})
}

// A password that rotates: the mechanism reads it again at each connection, and Reconnect makes the present one follow.
func TestSASLWithAPasswordThatRotates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, guarded)
		var user atomic.Pointer[string]
		name := "orders"
		user.Store(&name)
		cli := connected(t, s, identified(mechanism(func(ctx context.Context) (sasl.Exchange, error) {
			return sasl.DigestMD5(*user.Load(), guarded.SASLUsers[*user.Load()]).Start(ctx, sasl.Server{})
		})))
		r := record(t, cli)
		other := "stock"
		user.Store(&other)
		assert.Equal(t, []string{"sasl:orders"}, whoIs(t, cli))
		require.NoError(t, cli.Reconnect(within(t, time.Minute)))
		assert.Equal(t, []string{"sasl:stock"}, whoIs(t, cli))
		synctest.Wait()
		assert.Equal(t, []framework.State{framework.Connected, framework.Reconnected}, r.states())
	})
}

// A server that does not know whoAmI gives an error that says so.
func TestWhoAmIOnOldServers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		stop := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpWhoAmI {
				return zktest.AnswerWith(zktest.ErrUnimplemented)
			}
			return zktest.Pass
		})
		defer stop()
		cli := connected(t, s)
		for range 2 {
			_, err := cli.WhoAmI(within(t, time.Minute))
			require.ErrorIs(t, err, framework.ErrUnsupported)
			require.ErrorContains(t, err, "whoAmI")
		}
	})
}
