package framework_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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

// guarded is a server on which nothing works without SASL.
var guarded = zktest.Config{SASLUsers: map[string]string{"orders": "the right s3cr3t", "stock": "another s3cr3t"}, RequireSASL: true}

func identified(m sasl.Mechanism) func(*framework.Config) {
	return func(c *framework.Config) { c.SASL = m }
}

// Every connection of a session is authenticated before any request. Nodes with CreatorACL belong to the identity.
func TestSASL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, guarded)
		cli := connected(t, s, identified(sasl.DigestMD5("orders", "the right s3cr3t")), func(c *framework.Config) { c.ACL = framework.CreatorACL() })
		r := record(t, cli)
		for range 3 {
			_, err := cli.Create(within(t, patience), "/node", nil)
			require.NoError(t, err)
			acl, _, err := cli.ACL(within(t, patience), "/node")
			require.NoError(t, err)
			require.Len(t, acl, 1)
			assert.Equal(t, "sasl:orders", acl[0].Scheme+":"+acl[0].ID)
			require.NoError(t, cli.Delete(within(t, patience), "/node", framework.AnyVersion))
			s.Cut(zktest.AllConns())
		}
		require.True(t, s.ExpireSession(sessionID(t, s)))
		awaitState(t, cli, framework.Lost)
		require.NoError(t, cli.WaitConnected(within(t, patience)))
		_, _, err := cli.Exists(within(t, patience), "/")
		require.NoError(t, err)
		synctest.Wait()
		requireOrder(t, r.all())
	})
}

// A failed authentication shows in WaitConnected, Health and the log, without a secret. The client tries again at the pace of its policy.
func TestSASLThatFails(t *testing.T) {
	blocked := errors.New("the ticket has expired")
	for name, c := range map[string]struct {
		server    zktest.Config
		mechanism sasl.Mechanism
		says      string
		kind      error
	}{
		"wrong password": {guarded, sasl.DigestMD5("orders", "a wrong s3cr3t"), "refuses this identity (code -115)", sasl.ErrRefused},
		"wrong name":     {guarded, sasl.DigestMD5("others", "the right s3cr3t"), "refuses this identity (code -115)", sasl.ErrRefused},
		"not offered":    {zktest.Config{}, sasl.DigestMD5("orders", "the right s3cr3t"), "JAAS", sasl.ErrNotOffered},
		"no ticket":      {guarded, mechanism(func(context.Context) (sasl.Exchange, error) { return nil, blocked }), "the ticket has expired", blocked},
		"nothing begun":  {guarded, mechanism(func(context.Context) (sasl.Exchange, error) { return nil, nil }), "has begun no exchange", nil},
		"a panic":        {guarded, mechanism(func(context.Context) (sasl.Exchange, error) { panic("oh") }), "oh", nil},
		"without end":    {guarded, mechanism(func(context.Context) (sasl.Exchange, error) { return endless{}, nil }), "refuses this identity", sasl.ErrRefused},
		"explained":      {guarded, mechanism(func(context.Context) (sasl.Exchange, error) { return explains{}, nil }), "its keytab is old", sasl.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, c.server)
				var lines bytes.Buffer
				cli := newClient(t, s, identified(c.mechanism), func(cfg *framework.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&lines, nil)) })
				time.Sleep(time.Minute)
				err := cli.WaitConnected(within(t, time.Second))
				require.ErrorIs(t, err, framework.ErrAuthFailed)
				require.ErrorContains(t, err, c.says)
				if c.kind != nil {
					require.ErrorIs(t, err, c.kind)
				}
				_, getErr := cli.Get(within(t, time.Second), "/")
				for _, text := range []string{err.Error(), getErr.Error()} {
					assert.Equal(t, 1, strings.Count(text, c.says), text)
				}
				health := cli.Health()
				assert.False(t, health.Ready())
				require.NoError(t, cli.Close())
				synctest.Wait()
				// A server that demands SASL does not take the request that would close a session which was started in vain.
				assert.Equal(t, c.server.RequireSASL, len(s.Sessions()) > 0)
				assert.Less(t, len(s.Sessions()), 16)
				assert.Less(t, s.Counts().Accepted, int64(200), "it keeps trying, with the pauses of the policy")
				for _, text := range []string{err.Error(), health.String(), lines.String(), fmt.Sprintf("%v %+v %#v", c.mechanism, c.mechanism, c.mechanism)} {
					assert.NotContains(t, text, "s3cr3t")
				}
				assert.Contains(t, lines.String(), c.says)
			})
		})
	}
}

// A mechanism that waits for somebody else is given up with the handshake, and does not hold up Close.
func TestSASLThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, guarded)
		var begun atomic.Int32
		cli := newClient(t, s, identified(mechanism(func(ctx context.Context) (sasl.Exchange, error) {
			begun.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		})))
		time.Sleep(time.Minute)
		assert.Greater(t, begun.Load(), int32(1), "another connection is tried")
		closing := time.Now()
		require.NoError(t, cli.Close())
		assert.LessOrEqual(t, time.Since(closing), time.Second, "which is what the driver waits for an answer to closeSession")
	})
}

// mechanism is one that does what a test wants.
type mechanism func(ctx context.Context) (sasl.Exchange, error)

func (mechanism) Name() string { return "TEST" }

func (m mechanism) Start(ctx context.Context, _ sasl.Server) (sasl.Exchange, error) { return m(ctx) }

// endless never comes to an end.
type endless struct{}

func (endless) Next(context.Context, []byte) ([]byte, bool, error) { return []byte("more"), false, nil }

// explains knows why it is refused.
type explains struct{ endless }

func (explains) Refused(err *sasl.Error) error {
	err.Remedy = "its keytab is old"
	return err
}

// A test server takes part in a mechanism that the test brings. Its last token is null, as GSSAPI's is.
func TestSASLWithAMechanismOfTheServersOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{RequireSASL: true, SASL: func() zktest.SASLExchange { return &passphrase{} }})
		says := func(word string) func(*framework.Config) {
			return identified(mechanism(func(context.Context) (sasl.Exchange, error) { return spoken(word), nil }))
		}
		cli := connected(t, s, says("friend"), func(c *framework.Config) { c.ACL = framework.CreatorACL() })
		_, err := cli.Create(t.Context(), "/mine", nil)
		require.NoError(t, err)
		acl, _, err := cli.ACL(t.Context(), "/mine")
		require.NoError(t, err)
		assert.Equal(t, "sasl:gimli", acl[0].Scheme+":"+acl[0].ID)

		stranger := newClient(t, s, says("mellon"))
		require.ErrorIs(t, stranger.WaitConnected(within(t, time.Minute)), sasl.ErrRefused)
	})
}

// spoken is a client that answers the server's question with a word.
type spoken string

func (w spoken) Next(_ context.Context, challenge []byte) ([]byte, bool, error) {
	if challenge == nil {
		return []byte{}, false, nil
	}
	return []byte(w), true, nil
}

// passphrase is a server that wants to hear one word.
type passphrase struct{ user string }

func (p *passphrase) Next(message []byte) ([]byte, bool, error) {
	switch string(message) {
	case "":
		return []byte("speak"), false, nil
	case "friend":
		p.user = "gimli"
		return nil, true, nil
	}
	return nil, false, errors.New("not a friend")
}

func (p *passphrase) User() string { return p.user }

// preparing is a mechanism that needs something ahead of a connection.
type preparing struct {
	mechanism
	prepare func(context.Context) error
}

func (p preparing) Prepare(ctx context.Context) error { return p.prepare(ctx) }

// While a mechanism cannot prepare itself the servers see nothing of the client. The client says why, and connects as soon as it can.
func TestSASLThatIsNotPrepared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{RequireSASL: true, SASL: func() zktest.SASLExchange { return &passphrase{} }})
		expired := &sasl.Error{Mechanism: "TEST", Kind: sasl.ErrExpired, Remedy: "run kinit again"}
		var ready atomic.Bool
		var asked atomic.Int32
		m := preparing{mechanism(func(context.Context) (sasl.Exchange, error) { return spoken("friend"), nil }), func(ctx context.Context) error {
			asked.Add(1)
			if ready.Load() {
				return nil
			}
			return expired
		}}
		cli := newClient(t, s, identified(m))
		time.Sleep(time.Minute)
		assert.Zero(t, s.Counts().Accepted)
		assert.Greater(t, asked.Load(), int32(2))
		assert.Less(t, asked.Load(), int32(200), "with the pauses of the policy")
		err := cli.WaitConnected(within(t, time.Second))
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		require.ErrorIs(t, err, sasl.ErrExpired)
		assert.Contains(t, cli.Health().String(), "run kinit again")

		ready.Store(true)
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		_, err = cli.Get(within(t, time.Minute), "/")
		require.NoError(t, err)

		// A session that is there does not move to a connection that could not be used.
		ready.Store(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, cli.Reconnect(ctx), sasl.ErrExpired)
		require.NoError(t, cli.WaitConnected(within(t, time.Second)), "the servers accept the connection that is there")
		require.NoError(t, cli.Info().Err)
		_, err = cli.Get(within(t, time.Minute), "/")
		require.NoError(t, err)
		assert.EqualValues(t, 1, s.Counts().Accepted)
	})
}

// A mechanism that takes its time to prepare itself is given up with the handshake, and does not hold up Close.
func TestSASLThatIsPreparedSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, guarded)
		cli := newClient(t, s, identified(preparing{nil, func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}))
		time.Sleep(time.Minute)
		require.ErrorIs(t, cli.WaitConnected(within(t, time.Second)), framework.ErrAuthFailed)
		closing := time.Now()
		require.NoError(t, cli.Close())
		assert.LessOrEqual(t, time.Since(closing), time.Second)
		assert.Zero(t, s.Counts().Accepted)
	})
}

// monitored is a mechanism that reports a problem.
type monitored struct {
	sasl.Mechanism
	problem *atomic.Pointer[error]
}

func (m monitored) Problem() (time.Time, error) {
	if p := m.problem.Load(); p != nil {
		return time.Now().Add(-time.Minute), *p
	}
	return time.Time{}, nil
}

func TestProblemOfAMechanismIsANoticeInHealth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, guarded)
		m := monitored{sasl.DigestMD5("orders", guarded.SASLUsers["orders"]), new(atomic.Pointer[error])}
		cli := connected(t, s, identified(m))
		require.Empty(t, cli.Health().Reasons)
		away := errors.New("the KDC is away")
		m.problem.Store(&away)
		h := cli.Health()
		require.Len(t, h.Reasons, 1)
		assert.True(t, h.Ready(), "the connection is not affected")
		assert.ErrorIs(t, h.Reasons[0].Err, away)
		assert.Equal(t, time.Minute, time.Since(h.Reasons[0].Since))
		m.problem.Store(nil)
		assert.Empty(t, cli.Health().Reasons)
	})
}
