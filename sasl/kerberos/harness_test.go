package kerberos_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

const krb5Conf = `[libdefaults]
	default_realm = A
	renew_lifetime = 7d
[realms]
	A = {
		kdc = a:88
	}
	B = {
		kdc = b:88
	}
	C = {
		kdc = c:88
	}
[domain_realm]
	.far.example = C
`

// world is a realm with the principals orders and zookeeper/zk1, on fake time.
type world struct {
	t    *testing.T
	kdc  *fakeKDC
	conf string
	dns  *fakeDNS
	log  lines
}

// inBubble plays f in a bubble, which has no DNS and no network.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "krb5.conf")
	require.NoError(t, os.WriteFile(conf, []byte(krb5Conf), 0o600))
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, conf: conf, kdc: newFakeKDC("orders@A", "zookeeper/zk1@A"), dns: &fakeDNS{}}
		defer func() { assert.NotContains(t, w.log.String(), "s3cr3t") }()
		f(t, w)
	})
}

// ordersPassword is what makes a client orders.
func ordersPassword() kerberos.Config {
	return kerberos.Config{Principal: "orders", Password: secretOf("orders@A", 1), ServerPrincipal: "zookeeper/zk1"}
}

func (w *world) mechanism(cfg kerberos.Config) *kerberos.Mechanism {
	w.t.Helper()
	cfg.Krb5Conf, cfg.Logger = w.conf, slog.New(slog.NewTextHandler(&w.log, nil))
	m, err := kerberos.NewWith(cfg, w.kdc.dial, w.dns)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, m.Close()) })
	return m
}

// start begins an exchange with zk1 within a handshake.
func start(m *kerberos.Mechanism) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_, err := m.Start(ctx, sasl.Server{Host: "zk1", Address: "10.0.0.1:2181"})
	if err != nil && strings.Contains(err.Error(), "s3cr3t") {
		panic("a secret in " + err.Error())
	}
	return err
}

// server is one in memory that takes tickets for zk1.
func (w *world) server(options gssOptions) *zktest.Server {
	w.t.Helper()
	return w.serverWith(func() (keys *keytab.Keytab) {
		w.kdc.with(func() { keys = w.kdc.keys["zookeeper/zk1@A"] })
		return keys
	}, options)
}

func (w *world) serverWith(keys func() *keytab.Keytab, options gssOptions) *zktest.Server {
	w.t.Helper()
	s, err := zktest.StartMemory(guarded(keys, options))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, s.Close()) })
	return s
}

func (w *world) client(s *zktest.Server, m sasl.Mechanism) *framework.Client {
	w.t.Helper()
	cli, err := framework.New(framework.Config{
		ConnectString: s.ConnectString(), SessionTimeout: 9 * time.Second, Dialer: s.Client("orders").Dial, SASL: m, ACL: framework.CreatorACL(),
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, cli.Close()) })
	return cli
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) count(what string) int { return strings.Count(l.String(), what) }

// fakeDNS knows what a test tells it.
type fakeDNS struct {
	names map[string][]string // by address
	addrs map[string][]string // by name
	kdcs  []*net.SRV
	slow  bool
}

func (d *fakeDNS) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	if d.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.names[addr], nil
}

func (d *fakeDNS) LookupHost(_ context.Context, host string) ([]string, error) {
	if addrs := d.addrs[host]; addrs != nil {
		return addrs, nil
	}
	return nil, fmt.Errorf("no such host %s", host)
}

func (d *fakeDNS) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service != "kerberos" || proto != "tcp" || len(d.kdcs) == 0 {
		return "", nil, errors.New("no such records of " + name)
	}
	return name, d.kdcs, nil
}

func srv(host string, port uint16) []*net.SRV { return []*net.SRV{{Target: host, Port: port}} }
