package kerberos_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/sasl/kerberos"
	"github.com/docent-zk/docent/zktest"
)

// A client proves who it is on each connection, and its nodes are its own. A KDC is not needed for another connection.
func TestClientIsAdmitted(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.server(gssOptions{})
		cli := w.client(s, w.mechanism(ordersPassword()))
		ctx := within(t, time.Minute)
		_, err := cli.Create(ctx, "/mine", nil)
		require.NoError(t, err)
		acl, _, err := cli.ACL(ctx, "/mine")
		require.NoError(t, err)
		assert.Equal(t, "sasl:orders@A", acl[0].Scheme+":"+acl[0].ID)
		session, err := cli.Session(ctx)
		require.NoError(t, err)

		w.kdc.with(func() { w.kdc.down = true })
		for range 3 {
			require.Equal(t, 1, s.Cut(zktest.AllConns()))
			synctest.Wait()
			time.Sleep(time.Second)
			_, err = session.Get(ctx, "/mine")
			require.NoError(t, err)
		}
		assert.EqualValues(t, 1, w.kdc.logins.Load())
	})
}

// A session lives on for as long as its connection does, whatever becomes of the tickets. A client that reconnects after their end, with no KDC,
// says why it cannot, and tries until it can.
func TestConnectionOutlivesTickets(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.server(gssOptions{})
		w.kdc.life = 5 * time.Minute
		cli := w.client(s, w.mechanism(ordersPassword()))
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		w.kdc.with(func() { w.kdc.down = true })
		time.Sleep(20 * time.Minute)
		_, err := cli.Get(within(t, time.Minute), "/")
		require.NoError(t, err)

		s.Cut(zktest.AllConns())
		time.Sleep(time.Second)
		err = cli.WaitConnected(within(t, 5*time.Second))
		require.ErrorIs(t, err, framework.ErrAuthFailed)
		require.ErrorIs(t, err, sasl.ErrUnreachable)
		dials := w.kdc.dials.Load()
		time.Sleep(10 * time.Minute)
		assert.Less(t, w.kdc.dials.Load()-dials, int32(2*(600/5+10+10)), "no storm, over TCP and UDP")
		assert.Contains(t, cli.Health().String(), "KDC")
		w.kdc.with(func() { w.kdc.down = false })
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
	})
}

// A server whose key has changed since the client got its ticket refuses that, and takes the next one.
func TestServersKeyChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.server(gssOptions{})
		cli := w.client(s, w.mechanism(ordersPassword()))
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		time.Sleep(time.Minute)
		w.kdc.rekey("zookeeper/zk1@A", 2)
		s.Cut(zktest.AllConns())
		time.Sleep(3 * time.Second)
		_, err := cli.Get(within(t, time.Minute), "/")
		require.NoError(t, err)
		assert.EqualValues(t, 2, w.kdc.grants.Load())
	})
}

// A server that has another key than the KDC gives no reason. The error names the usual ones, and nobody is asked too often.
func TestServerWithAnOldKey(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		old := w.kdc.keys["zookeeper/zk1@A"]
		w.kdc.rekey("zookeeper/zk1@A", 2)
		s := w.serverWith(func() *keytab.Keytab { return old }, gssOptions{})
		cli := w.client(s, w.mechanism(ordersPassword()))
		time.Sleep(2 * time.Minute)
		err := cli.WaitConnected(within(t, time.Second))
		require.ErrorIs(t, err, sasl.ErrRefused)
		require.ErrorContains(t, err, "could not accept a ticket for zookeeper/zk1@A")
		assert.Contains(t, cli.Health().String(), "keytab may be older")
		assert.Contains(t, w.log.String(), "keytab may be older")
		assert.LessOrEqual(t, w.kdc.grants.Load(), int32(13))
	})
}

// A server that takes no part in SASL.
func TestServerWithoutSASL(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		defer s.Close()
		m := w.mechanism(ordersPassword())
		cli, err := framework.New(framework.Config{ConnectString: s.ConnectString(), Dialer: s.Client("orders").Dial, SASL: m})
		require.NoError(t, err)
		defer cli.Close()
		require.ErrorIs(t, cli.WaitConnected(within(t, time.Minute)), sasl.ErrNotOffered)
	})
}

// Servers that follow the RFC in other ways than Java's are accepted. Servers without the key are not.
func TestServersOfOtherKinds(t *testing.T) {
	const dishonest = "is not zookeeper/zk1@A, or somebody is between"
	for name, c := range map[string]struct {
		options gssOptions
		kind    error
		says    string
	}{
		"the client's key":         {gssOptions{noSubkey: true}, nil, ""},
		"a rotated message":        {gssOptions{rotation: 12}, nil, ""},
		"rotated more than once":   {gssOptions{rotation: 16*5 + 3}, nil, ""},
		"several layers":           {gssOptions{layers: 7}, nil, ""},
		"only layers with secrecy": {gssOptions{layers: 4}, sasl.ErrServer, "insists on a security layer"},
		"another key":              {gssOptions{otherKey: true}, sasl.ErrServer, dishonest},
		"an old proof":             {gssOptions{late: -time.Minute}, sasl.ErrServer, "for another connection"},
		"a changed message":        {gssOptions{tampered: true}, sasl.ErrServer, "checksum"},
		"an encrypted message":     {gssOptions{flags: 2}, sasl.ErrServer, "encrypted"},
		"an unknown flag":          {gssOptions{flags: 8}, sasl.ErrServer, "flags 0xd"},
		"a number too far":         {gssOptions{sequence: 1}, sasl.ErrServer, "out of sequence"},
		"no proof":                 {gssOptions{token: func([]byte) []byte { return []byte{} }}, sasl.ErrServer, "not one of GSSAPI"},
		"nonsense":                 {gssOptions{token: func([]byte) []byte { return []byte("nonsense") }}, sasl.ErrServer, "not one of GSSAPI"},
		"half a token":             {gssOptions{token: func(b []byte) []byte { return b[:len(b)/2] }}, sasl.ErrServer, "not one of GSSAPI"},
		"the client's own token":   {gssOptions{token: func([]byte) []byte { return kerberos.GSSToken([]byte{1, 0}, []byte("x")) }}, sasl.ErrServer, "does not prove itself"},
		"an empty proof":           {gssOptions{token: func([]byte) []byte { return kerberos.GSSToken(kerberos.TokenReply, nil) }}, sasl.ErrServer, "cannot be read"},
		"a clock that is wrong":    {gssOptions{token: serversError(37)}, sasl.ErrClockSkew, "from the server"},
		"an error without sense":   {gssOptions{token: func([]byte) []byte { return kerberos.GSSToken(kerberos.TokenError, nil) }}, sasl.ErrServer, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				s := w.server(c.options)
				cli := w.client(s, w.mechanism(ordersPassword()))
				err := cli.WaitConnected(within(t, 5*time.Second))
				if c.kind == nil {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, c.kind)
				require.ErrorContains(t, err, c.says)
				require.ErrorIs(t, err, framework.ErrAuthFailed)
				var explained *sasl.Error
				require.True(t, errors.As(err, &explained))
				assert.Zero(t, s.Counts().Requests[zktest.OpCreate])
			})
		})
	}
}

func serversError(code int32) func([]byte) []byte {
	return func([]byte) []byte {
		e := errorOf(code, "")
		b, err := e.Marshal()
		must(err)
		return kerberos.GSSToken(kerberos.TokenError, b)
	}
}

// Many clients whose KDC is away do not ask it more often than one does.
func TestManyClientsWithoutAKDC(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		s := w.server(gssOptions{})
		m := w.mechanism(ordersPassword())
		w.kdc.with(func() { w.kdc.hanging = true })
		var clients []*framework.Client
		for range 10 {
			clients = append(clients, w.client(s, m))
		}
		time.Sleep(2 * time.Minute)
		assert.Less(t, w.kdc.dials.Load(), int32(120/5+20))
		w.kdc.with(func() { w.kdc.hanging = false })
		for _, cli := range clients {
			require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		}
		assert.EqualValues(t, 1, w.kdc.logins.Load())
	})
}
