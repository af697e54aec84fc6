package kerberos_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/sasl/kerberos"
)

// Clients that share a mechanism share its tickets: one login, one ticket for the server.
func TestClientsShareTickets(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.mechanism(ordersPassword())
		var all sync.WaitGroup
		var failed atomic.Int32
		for range 50 {
			all.Go(func() {
				if start(m) != nil {
					failed.Add(1)
				}
			})
		}
		all.Wait()
		assert.Zero(t, failed.Load())
		assert.EqualValues(t, 1, w.kdc.logins.Load())
		assert.EqualValues(t, 1, w.kdc.grants.Load())
	})
}

// Tickets are replaced after four fifths of their life, as long as the mechanism is not closed. Those for servers come with them.
func TestTicketsAreRefreshedAheadOfTheirEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.mechanism(ordersPassword())
		require.NoError(t, start(m))
		time.Sleep(7*time.Hour + 59*time.Minute)
		synctest.Wait()
		assert.EqualValues(t, 1, w.kdc.logins.Load())
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		assert.EqualValues(t, 2, w.kdc.logins.Load())
		assert.EqualValues(t, 2, w.kdc.grants.Load())
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 11, w.kdc.logins.Load(), "every eight hours")
		require.NoError(t, start(m))
		assert.EqualValues(t, 11, w.kdc.grants.Load(), "with no ticket to be got then")

		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		time.Sleep(72 * time.Hour)
		synctest.Wait()
		assert.EqualValues(t, 11, w.kdc.logins.Load())
		require.ErrorContains(t, start(m), "closed")
	})
}

// An outage that is over before the tickets end is not noticed. It is logged once, and the KDC is asked every minute at most.
func TestOutageShorterThanTheRestOfTheTickets(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.mechanism(ordersPassword())
		require.NoError(t, start(m))
		w.kdc.with(func() { w.kdc.down = true })
		begun := time.Now()
		time.Sleep(9*time.Hour + 50*time.Minute)
		require.NoError(t, start(m))
		assert.Equal(t, 1, w.log.count("cannot be refreshed"))
		since, problem := m.Problem()
		require.ErrorIs(t, problem, sasl.ErrUnreachable)
		assert.Greater(t, since.Sub(begun), 7*time.Hour, "since the first failure, and not since the latest")
		assert.Less(t, since.Sub(begun), 9*time.Hour)
		assert.Less(t, w.kdc.dials.Load(), int32(250))
		w.kdc.with(func() { w.kdc.down = false })
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		assert.EqualValues(t, 2, w.kdc.logins.Load())
		_, problem = m.Problem()
		require.NoError(t, problem)
		time.Sleep(time.Hour)
		require.NoError(t, start(m))
	})
}

// A longer outage is an error to those who connect. Those ask the KDC every few seconds only, and get in soon after it is back.
func TestOutageLongerThanTheTickets(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.mechanism(ordersPassword())
		require.NoError(t, start(m))
		w.kdc.with(func() { w.kdc.down = true })
		time.Sleep(11 * time.Hour)
		synctest.Wait()
		w.kdc.dials.Store(0)
		for range 600 {
			require.ErrorIs(t, start(m), sasl.ErrUnreachable)
			time.Sleep(time.Second)
		}
		assert.Less(t, w.kdc.dials.Load(), int32(2*(600/5+600/60+10)), "over TCP and UDP")
		w.kdc.with(func() { w.kdc.down = false })
		time.Sleep(6 * time.Second)
		require.NoError(t, start(m))
	})
}

// A wrong password is tried again and again, but rarely, however many clients there are.
func TestWrongPasswordDoesNotLockTheAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		cfg := ordersPassword()
		cfg.Password = "another s3cr3t"
		m := w.mechanism(cfg)
		for range 600 {
			err := start(m)
			require.ErrorIs(t, err, sasl.ErrCredentials)
			require.ErrorContains(t, err, "kinit")
			time.Sleep(time.Second)
		}
		assert.Less(t, w.kdc.wrong.Load(), int32(8))
		w.kdc.with(func() { w.kdc.keys["orders@A"].Entries[0].Key = keyOf(t, "another s3cr3t", "orders") })
		time.Sleep(10 * time.Minute)
		require.NoError(t, start(m), "ten minutes after the password is right")
	})
}

func keyOf(t *testing.T, password, name string) types.EncryptionKey {
	t.Helper()
	kt := keytab.New()
	require.NoError(t, kt.AddEntry(name, "A", password, time.Now(), 1, fakeEtype))
	return kt.Entries[0].Key
}

// A password that has become wrong does not lock the account either. Neither refreshes nor connections try it often.
func TestPasswordThatChangesDoesNotLockTheAccount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.mechanism(ordersPassword())
		require.NoError(t, start(m))
		w.kdc.rekey("orders@A", 2)
		time.Sleep(8*time.Hour - time.Second)
		for range 4 * 60 {
			time.Sleep(time.Minute)
			_ = start(m)
		}
		assert.Greater(t, w.kdc.wrong.Load(), int32(10))
		assert.Less(t, w.kdc.wrong.Load(), int32(4*6+8), "every ten minutes in the end")
		assert.Equal(t, 1, w.log.count("cannot be refreshed"))
	})
}

// A new keytab is tried at once.
func TestKeytabIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		path := filepath.Join(filepath.Dir(w.conf), "keytab")
		writeKeytab(t, path, w.kdc.keys["orders@A"], 1)
		now := w.kdc.rekey("orders@A", 2)
		m := w.mechanism(kerberos.Config{Keytab: path, ServerPrincipal: "zookeeper/zk1"})
		for range 60 {
			require.ErrorIs(t, start(m), sasl.ErrCredentials)
			time.Sleep(time.Second)
		}
		writeKeytab(t, path, now, 2)
		require.NoError(t, start(m))

		require.NoError(t, os.Remove(path))
		require.NoError(t, start(m), "there is a ticket")
		time.Sleep(11 * time.Hour)
		err := start(m)
		require.ErrorIs(t, err, sasl.ErrConfiguration)
		require.ErrorContains(t, err, path)
		_, err = kerberos.NewWith(kerberos.Config{Keytab: path, Krb5Conf: w.conf}, w.kdc.dial, w.dns)
		require.ErrorIs(t, err, sasl.ErrConfiguration)
	})
}

// writeKeytab writes a file with a time of its own: the file system's clock is coarse, and real.
func writeKeytab(t *testing.T, path string, kt *keytab.Keytab, version int64) {
	t.Helper()
	var content bytes.Buffer
	_, err := kt.Write(&content)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content.Bytes(), 0o600))
	require.NoError(t, os.Chtimes(path, time.Time{}, time.Unix(version, 0)))
}

// The KDC's own key changes: its tickets are worth nothing, and the client logs in again.
func TestKDCsKeyChanges(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.kdc.rekey("zookeeper/zk2@A", 1)
		cfg := ordersPassword()
		cfg.ServerPrincipal, cfg.HostNames = "zookeeper/_HOST", kerberos.PlainHostNames
		m := w.mechanism(cfg)
		require.NoError(t, start(m))
		w.kdc.rekey("krbtgt/A@A", 2)
		_, err := m.Start(t.Context(), sasl.Server{Host: "zk2"})
		require.NoError(t, err)
		assert.EqualValues(t, 2, w.kdc.logins.Load())
	})
}

// A KDC that does not answer costs no more than the time that there is, also those who wait for somebody else's answer.
func TestKDCThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.kdc.with(func() { w.kdc.hanging = true })
		m := w.mechanism(ordersPassword())
		begun := time.Now()
		var all sync.WaitGroup
		var unreachable atomic.Int32
		for range 10 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if _, err := m.Start(ctx, sasl.Server{}); assert.ErrorIs(t, err, sasl.ErrUnreachable) {
					unreachable.Add(1)
				}
			})
		}
		all.Wait()
		assert.Equal(t, 3*time.Second, time.Since(begun))
		assert.EqualValues(t, 10, unreachable.Load())

		// A caller that gives up does not count as a failure of the KDC.
		time.Sleep(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, err := m.Start(ctx, sasl.Server{})
		require.ErrorIs(t, err, context.Canceled)
		w.kdc.with(func() { w.kdc.hanging = false })
		require.NoError(t, start(m))
	})
}

// Close ends a refresh that is under way.
func TestCloseDuringRefresh(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.mechanism(ordersPassword())
		require.NoError(t, start(m))
		w.kdc.with(func() { w.kdc.hanging = true })
		time.Sleep(8*time.Hour + time.Second)
		begun := time.Now()
		require.NoError(t, m.Close())
		assert.Zero(t, time.Since(begun))
	})
}

// A server is in another realm: the client's KDC refers to it, or domain_realm names it.
func TestServerInAnotherRealm(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for _, name := range []string{"krbtgt/B@A", "krbtgt/B@B", "krbtgt/C@B", "krbtgt/C@C", "zookeeper/zk1.far.example@C", "zookeeper/b@B"} {
			w.kdc.rekey(name, 1)
		}
		for name, known := range map[string]bool{"zookeeper/b": true, "zookeeper/b@B": true, "zookeeper/zk1.far.example": true, "zookeeper/nobody@B": false, "zookeeper/nobody@C": false} {
			cfg := ordersPassword()
			cfg.ServerPrincipal = name
			err := start(w.mechanism(cfg))
			if known {
				require.NoError(t, err, name)
			} else {
				require.ErrorIs(t, err, sasl.ErrUnknownServer, name)
				require.ErrorContains(t, err, name)
			}
		}
	})
}

// The host in a server's principal is its canonical name, or its name in the connect string.
func TestHostOfTheServersPrincipal(t *testing.T) {
	for name, c := range map[string]struct {
		names kerberos.HostNames
		conf  string
		dns   fakeDNS
		want  string
	}{
		"canonical":              {0, "", fakeDNS{names: map[string][]string{"10.0.0.1": {"ZK1.example."}}, addrs: map[string][]string{"zk1.example": {"10.0.0.1"}}}, "zk1.example"},
		"not the address's":      {0, "", fakeDNS{names: map[string][]string{"10.0.0.1": {"evil.example."}}, addrs: map[string][]string{"evil.example": {"10.0.0.2"}}}, "zk1"},
		"without a name":         {0, "", fakeDNS{}, "zk1"},
		"DNS is slow":            {0, "", fakeDNS{slow: true}, "zk1"},
		"switched off":           {0, "dns_canonicalize_hostname = false", fakeDNS{slow: true}, "zk1"},
		"switched off, reverse":  {0, "rdns = no", fakeDNS{slow: true}, "zk1"},
		"plain":                  {kerberos.PlainHostNames, "", fakeDNS{slow: true}, "zk1"},
		"canonical nevertheless": {kerberos.CanonicalHostNames, "rdns = no", fakeDNS{names: map[string][]string{"10.0.0.1": {"zk1.example."}}, addrs: map[string][]string{"zk1.example": {"10.0.0.1"}}}, "zk1.example"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.dns = &c.dns
				require.NoError(t, os.WriteFile(w.conf, []byte("[libdefaults]\n"+c.conf+"\n"+krb5Conf), 0o600))
				cfg := ordersPassword()
				cfg.ServerPrincipal, cfg.HostNames = "other/_HOST", c.names
				err := start(w.mechanism(cfg))
				require.ErrorIs(t, err, sasl.ErrUnknownServer)
				require.ErrorContains(t, err, "no principal other/"+c.want+":")
			})
		})
	}
}

// Each answer of a KDC that is not a ticket has its kind and says what to do.
func TestKDCsThatAnswerSomethingElse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		kind   error
		says   string
	}{
		"its clock is ahead":     {func(w *world) { w.kdc.ahead = time.Hour }, sasl.ErrClockSkew, "the KDC's clock is 1h0m0s ahead"},
		"its clock is behind":    {func(w *world) { w.kdc.ahead = -time.Hour }, sasl.ErrClockSkew, "the KDC's clock is -1h0m0s ahead"},
		"unknown principal":      {func(w *world) { delete(w.kdc.keys, "orders@A") }, sasl.ErrCredentials, "no principal orders@A"},
		"too much work":          {func(w *world) { w.kdc.iterations = 1 << 31 }, sasl.ErrCredentials, "iterations"},
		"more work than usual":   {func(w *world) { w.kdc.iterations = 5000 }, sasl.ErrCredentials, "PREAUTH_FAILED"}, // by the key of this KDC's
		"a ticket for a moment":  {func(w *world) { w.kdc.life, w.kdc.ahead = time.Minute, -59*time.Second }, sasl.ErrExpired, "ends at once"},
		"nothing":                {func(w *world) { w.kdc.answers = func([]byte) []byte { return nil } }, sasl.ErrUnreachable, "0 bytes"},
		"nonsense":               {func(w *world) { w.kdc.answers = func([]byte) []byte { return []byte("nonsense") } }, sasl.ErrUnreachable, "cannot be read"},
		"the request":            {func(w *world) { w.kdc.answers = func(m []byte) []byte { return m } }, sasl.ErrUnreachable, "cannot be read"},
		"locked":                 {answersWith(18), sasl.ErrCredentials, "locked"},
		"the password is old":    {answersWith(23), sasl.ErrCredentials, "kpasswd"},
		"no common key":          {answersWith(14), sasl.ErrConfiguration, "AES"},
		"another realm's":        {answersWith(68), sasl.ErrConfiguration, "another realm"},
		"out of service":         {answersWith(29), sasl.ErrUnreachable, "SVC_UNAVAILABLE"},
		"something else":         {answersWith(60), sasl.ErrRefused, "the KDC's log"},
		"too long":               {func(w *world) { w.kdc.answers = func([]byte) []byte { return make([]byte, 1<<20+1) } }, sasl.ErrUnreachable, "1048577 bytes"},
		"a login it cannot have": {func(w *world) { w.kdc.answers = noProofWanted }, sasl.ErrConfiguration, "another kind"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				c.change(w)
				err := start(w.mechanism(ordersPassword()))
				require.ErrorIs(t, err, c.kind)
				require.ErrorContains(t, err, c.says)
			})
		})
	}
}

func answersWith(code int32) func(w *world) {
	return func(w *world) {
		w.kdc.answers = func([]byte) []byte {
			e := errorOf(code, "")
			b, err := e.Marshal()
			must(err)
			return b
		}
	}
}

// noProofWanted asks for preauthentication and names no way.
func noProofWanted([]byte) []byte {
	e := errorOf(25, "")
	b, err := e.Marshal()
	must(err)
	return b
}

// A KDC is asked over UDP where TCP is refused, and found by DNS where krb5.conf has none.
func TestWaysToAKDC(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.kdc.datagram = true
		require.NoError(t, start(w.mechanism(ordersPassword())))
	})
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, os.WriteFile(w.conf, []byte("[libdefaults]\ndefault_realm = A\n"), 0o600))
		require.ErrorIs(t, start(w.mechanism(ordersPassword())), sasl.ErrConfiguration)
		w.dns.kdcs = srv("a.", 88)
		require.NoError(t, start(w.mechanism(ordersPassword())))
	})
	// The first of several is away, and the second one hangs.
	inBubble(t, func(t *testing.T, w *world) {
		require.NoError(t, os.WriteFile(w.conf, []byte("[libdefaults]\ndefault_realm = A\n[realms]\nA = {\nkdc = x:1\nkdc = y:1\nkdc = a:88\n}\n"), 0o600))
		cfg := ordersPassword()
		cfg.Krb5Conf = w.conf
		m, err := kerberos.NewWith(cfg, w.kdc.among("x:1", "y:1"), w.dns)
		require.NoError(t, err)
		defer m.Close()
		require.NoError(t, start(m))
	})
}

// A credential cache is renewed, and read again when kinit has written it.
func TestCacheIsRenewedAndReadAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		path := filepath.Join(filepath.Dir(w.conf), "cache")
		m := w.mechanism(kerberos.Config{CredentialCache: "FILE:" + path, ServerPrincipal: "zookeeper/zk1"})
		require.ErrorContains(t, start(m), "run kinit")
		w.kinit(path, 1)
		require.NoError(t, start(m))
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		require.NoError(t, start(m))
		renewals := w.kdc.renewals.Load()
		assert.Greater(t, renewals, int32(1))
		assert.Less(t, renewals, int32(20))
		require.NoError(t, os.Rename(path, path+".away"), "as while kinit is at work")
		require.NoError(t, start(m))

		time.Sleep(2 * time.Hour) // it was renewable for a day
		require.ErrorIs(t, start(m), sasl.ErrConfiguration)
		require.NoError(t, os.Rename(path+".away", path))
		time.Sleep(time.Minute)
		err := start(m)
		require.ErrorIs(t, err, sasl.ErrExpired)
		require.ErrorContains(t, err, "run kinit again")
		w.kinit(path, 2)
		require.NoError(t, start(m))
		assert.Equal(t, 2, w.log.count("cannot be renewed"), "ahead of the end, and again when the file was back")
	})
}

// kinit writes a credential cache of orders, with a time of its own.
func (w *world) kinit(path string, version int64) {
	w.t.Helper()
	reader := w.mechanism(ordersPassword())
	require.NoError(w.t, start(reader))
	require.NoError(w.t, os.WriteFile(path, kerberos.EncodeCache(reader), 0o600))
	require.NoError(w.t, os.Chtimes(path, time.Time{}, time.Unix(version, 0)))
	require.NoError(w.t, reader.Close())
}

// A cache of somebody else is not used.
func TestCacheOfAnotherPrincipalIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		path := filepath.Join(filepath.Dir(w.conf), "cache")
		w.kinit(path, 1)
		for _, owner := range []string{"orders", "orders@A"} {
			require.NoError(t, start(w.mechanism(kerberos.Config{Principal: owner, CredentialCache: path, ServerPrincipal: "zookeeper/zk1"})))
		}
		err := start(w.mechanism(kerberos.Config{Principal: "billing", CredentialCache: path}))
		require.ErrorIs(t, err, sasl.ErrConfiguration)
		require.ErrorContains(t, err, "belongs to orders@A and not to billing@A")
		require.ErrorContains(t, start(w.mechanism(kerberos.Config{CredentialCache: "KEYRING:persistent:0"})), "KEYRING")
	})
}

// FuzzCache reads anything without a panic or much memory.
func FuzzCache(f *testing.F) {
	f.Add([]byte{5, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'A', 0, 0, 0, 1, 'b'})
	f.Add(binary.BigEndian.AppendUint32([]byte{5, 3, 0, 0, 0, 1}, 0xffffffff))
	f.Fuzz(func(_ *testing.T, content []byte) { kerberos.ParseCache(content) })
}
