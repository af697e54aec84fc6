package framework_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key, a.cert, _ = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign returns a key and a certificate for it. An authority without one signs itself.
func (a *authority) sign(template *x509.Certificate) (key *ecdsa.PrivateKey, cert *x509.Certificate, der []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(a.t, err)
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, by := template, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err = x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	require.NoError(a.t, err)
	cert, err = x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return key, cert, der
}

// issue returns the certificate and the key of a name, as PEM.
func (a *authority) issue(name string, until time.Time) (certificate, key []byte) {
	a.t.Helper()
	private, _, der := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	text, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(a.t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// root is the certificate of the authority, as PEM.
func (a *authority) root() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// clientFiles are the files of a client.
type clientFiles struct {
	t *testing.T
	framework.TLSFiles
}

func newClientFiles(t *testing.T) *clientFiles {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	return &clientFiles{t, framework.TLSFiles{Roots: at("roots.pem"), Certificate: at("cert.pem"), Key: at("key.pem"), Interval: 20 * time.Millisecond}}
}

func (f *clientFiles) write(path string, text []byte) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(path, text, 0o600))
}

// identify replaces the client's pair.
func (f *clientFiles) identify(a *authority, name string) {
	f.t.Helper()
	certificate, key := a.issue(name, time.Time{})
	f.write(f.Certificate, certificate)
	f.write(f.Key, key)
}

// secured starts a server that wants certificates of the authority a, and has one of b.
func secured(t *testing.T, a, b *authority) *zktest.Server {
	t.Helper()
	certificate, key := b.issue("server", time.Time{})
	pair, err := tls.X509KeyPair(certificate, key)
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(a.cert)
	s, err := zktest.Start(zktest.Config{TLS: &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	return s
}

// logged is a log to look at while it is being written.
type logged struct {
	mu    sync.Mutex
	lines bytes.Buffer
	news  chan struct{} // closed and replaced with each line
}

func newLogged() *logged { return &logged{news: make(chan struct{})} }

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.news)
	l.news = make(chan struct{})
	return l.lines.Write(b)
}

// await waits for a line with the text.
func (l *logged) await(t *testing.T, text string) {
	t.Helper()
	late := within(t, time.Minute)
	for {
		l.mu.Lock()
		found, news := bytes.Contains(l.lines.Bytes(), []byte(text)), l.news
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-news:
		case <-late.Done():
			require.FailNow(t, "the log has no such line", text)
		}
	}
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.String()
}

// A client takes over another certificate and other roots from its files, in the same session, and keeps the old ones while the files are
// of no use.
func TestTLSFiles(t *testing.T) {
	old := newAuthority(t)
	s := secured(t, old, old)
	files := newClientFiles(t)
	files.write(files.Roots, old.root())
	files.identify(old, "ann")
	log := newLogged()
	cli := clientOf(t, framework.Config{
		ConnectString: s.Addrs()[0], SessionTimeout: 30 * time.Second, TLSFiles: &files.TLSFiles, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
	session := cli.Info().SessionID
	assert.Equal(t, []string{"x509:CN=ann"}, whoIs(t, cli))

	files.identify(old, "bob")
	assert.Equal(t, []string{"x509:CN=ann"}, whoIs(t, cli), "a connection keeps its certificate")
	require.NoError(t, cli.Reconnect(within(t, time.Minute)))
	assert.Equal(t, []string{"x509:CN=bob"}, whoIs(t, cli))
	assert.Equal(t, 1, bytes.Count([]byte(log.String()), []byte("use another certificate")))

	certificate, _ := old.issue("cid", time.Time{})
	files.write(files.Certificate, certificate) // its key is not there yet
	log.await(t, "private key does not match public key")
	require.NoError(t, cli.Reconnect(within(t, time.Minute)))
	assert.Equal(t, []string{"x509:CN=bob"}, whoIs(t, cli))
	health := cli.HealthWithin(framework.HealthBounds{Unwell: 1})
	require.True(t, health.Ready(), health.String())
	require.Len(t, health.Reasons, 1)
	assert.Contains(t, health.Reasons[0].Text, "files for TLS cannot be used")

	files.identify(old, "dan")
	log.await(t, "can be used again")
	assert.Empty(t, cli.HealthWithin(framework.HealthBounds{Unwell: 1}).Reasons)
	require.NoError(t, cli.Reconnect(within(t, time.Minute)))
	assert.Equal(t, []string{"x509:CN=dan"}, whoIs(t, cli))

	files.write(files.Roots, newAuthority(t).root()) // which has not signed the server
	err := cli.Reconnect(within(t, time.Second))
	require.ErrorContains(t, err, "Config.TLSFiles.Roots")
	assert.Equal(t, []string{"x509:CN=dan"}, whoIs(t, cli), "the session stays where it is")
	assert.Equal(t, session, cli.Info().SessionID)
	assert.NotContains(t, log.String(), "PRIVATE KEY")
}

// A certificate that the servers do not accept costs a planned move, and not the connection that the session is on.
func TestReconnectWithACertificateThatIsRefused(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			known := newAuthority(t)
			s := secured(t, known, known)
			files := newClientFiles(t)
			files.write(files.Roots, known.root())
			files.identify(known, "ann")
			cli := clientOf(t, framework.Config{
				ConnectString: s.Addrs()[0], SessionTimeout: 30 * time.Second, TLSFiles: &files.TLSFiles,
				TLS: &tls.Config{MinVersion: version, MaxVersion: version},
			})
			require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
			files.identify(newAuthority(t), "mallory")
			err := cli.Reconnect(within(t, time.Second))
			require.ErrorIs(t, err, framework.ErrAuthFailed)
			assert.Equal(t, []string{"x509:CN=ann"}, whoIs(t, cli))
			require.NoError(t, cli.Info().Err)
		})
	}
}

// A server that wants a certificate, or another one, is named with what to do.
func TestCertificateThatIsMissing(t *testing.T) {
	known := newAuthority(t)
	s := secured(t, known, known)
	files := newClientFiles(t)
	files.write(files.Roots, known.root())
	files.Certificate, files.Key = "", ""
	log := newLogged()
	cli := clientOf(t, framework.Config{
		ConnectString: s.Addrs()[0], SessionTimeout: 30 * time.Second, TLSFiles: &files.TLSFiles, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	log.await(t, "the servers do not accept the client")
	err := cli.WaitConnected(within(t, 100*time.Millisecond))
	var failed *framework.AuthError
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, "x509", failed.Scheme)
	assert.Contains(t, failed.Advice, "set Config.TLSFiles")
	require.ErrorIs(t, cli.Info().Err, framework.ErrAuthFailed)
}

// Files of no use are an error of New. A file that is cut short is of no use, even if what is there can be read.
func TestTLSFilesOfNoUse(t *testing.T) {
	known := newAuthority(t)
	certificate, key := known.issue("ann", time.Time{})
	for name, c := range map[string]struct {
		change func(f *clientFiles, cfg *framework.Config)
		says   string
	}{
		"no certificate":     {func(f *clientFiles, _ *framework.Config) { _ = os.Remove(f.Certificate) }, "no such file"},
		"another's key":      {func(f *clientFiles, _ *framework.Config) { _, k := known.issue("bob", time.Time{}); f.write(f.Key, k) }, "does not match"},
		"half a certificate": {func(f *clientFiles, _ *framework.Config) { f.write(f.Certificate, certificate[:len(certificate)/2]) }, "is it still being written?"},
		"half a key":         {func(f *clientFiles, _ *framework.Config) { f.write(f.Key, key[:len(key)/2]) }, "failed to find any PEM data"},
		"no roots":           {func(f *clientFiles, _ *framework.Config) { f.write(f.Roots, []byte("\n")) }, "no PEM block of a certificate"},
		"one and a half root": {func(f *clientFiles, _ *framework.Config) {
			f.write(f.Roots, append(known.root(), known.root()[:100]...))
		}, "is it still being written?"},
		"a root that is none": {func(f *clientFiles, _ *framework.Config) {
			f.write(f.Roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE"}))
		}, "x509"},
		"a key without a": {func(_ *clientFiles, cfg *framework.Config) { cfg.TLSFiles.Certificate = "" }, "go together"},
		"nothing":         {func(_ *clientFiles, cfg *framework.Config) { *cfg.TLSFiles = framework.TLSFiles{} }, "names no file"},
		"below zero":      {func(_ *clientFiles, cfg *framework.Config) { cfg.TLSFiles.Interval = -1 }, "is negative"},
		"roots twice":     {func(_ *clientFiles, cfg *framework.Config) { cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()} }, "exclude each other"},
		"a certificate and one": {func(_ *clientFiles, cfg *framework.Config) {
			cfg.TLS = &tls.Config{Certificates: make([]tls.Certificate, 1)}
		}, "exclude each other"},
	} {
		t.Run(name, func(t *testing.T) {
			files := newClientFiles(t)
			files.write(files.Roots, known.root())
			files.write(files.Certificate, certificate)
			files.write(files.Key, key)
			cfg := framework.Config{ConnectString: "127.0.0.1:1", TLSFiles: &files.TLSFiles}
			c.change(files, &cfg)
			_, err := framework.New(cfg)
			require.ErrorContains(t, err, "TLSFiles: ")
			require.ErrorContains(t, err, c.says)
		})
	}
}

// A certificate that has expired is a notice, because the present connection may live on.
func TestCertificateThatHasExpired(t *testing.T) {
	known := newAuthority(t)
	files := newClientFiles(t)
	files.write(files.Roots, known.root())
	certificate, key := known.issue("ann", time.Now().Add(-time.Minute))
	files.write(files.Certificate, certificate)
	files.write(files.Key, key)
	cli := clientOf(t, framework.Config{ConnectString: "127.0.0.1:1", TLSFiles: &files.TLSFiles})
	health := cli.Health()
	require.NotEmpty(t, health.Reasons)
	last := health.Reasons[len(health.Reasons)-1]
	assert.Contains(t, last.Text, "has expired")
	assert.True(t, last.Notice)
}

// The same on a real server: x509 identities, and a certificate that is replaced without a lost session.
func TestRealTLSFiles(t *testing.T) {
	t.Parallel()
	known := newAuthority(t)
	dir := t.TempDir()
	certificate, key := known.issue("server", time.Time{})
	store, trust := filepath.Join(dir, "server.pem"), filepath.Join(dir, "trust.pem")
	require.NoError(t, os.WriteFile(store, append(key, certificate...), 0o600))
	require.NoError(t, os.WriteFile(trust, known.root(), 0o600))
	srv := realzk.Standalone(t, realzk.Options{Secure: true, Properties: map[string]string{
		"zookeeper.authProvider.x509":              "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
		"zookeeper.ssl.keyStore.location":          store,
		"zookeeper.ssl.keyStore.type":              "PEM",
		"zookeeper.ssl.trustStore.location":        trust,
		"zookeeper.ssl.trustStore.type":            "PEM",
		"zookeeper.ssl.hostnameVerification":       "false",
		"zookeeper.ssl.clientHostnameVerification": "false",
	}})
	files := newClientFiles(t)
	files.write(files.Roots, known.root())
	files.identify(known, "ann")
	cli := clientOf(t, framework.Config{ConnectString: srv.SecureAddr(), SessionTimeout: sessionTimeout, TLSFiles: &files.TLSFiles})
	require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
	session := cli.Info().SessionID
	assert.Equal(t, []string{"x509:CN=ann"}, whoIs(t, cli))
	files.identify(known, "bob")
	require.NoError(t, cli.Reconnect(within(t, time.Minute)))
	assert.Equal(t, []string{"x509:CN=bob"}, whoIs(t, cli))
	assert.Equal(t, session, cli.Info().SessionID)
	for _, ch := range cli.History() {
		assert.NotEqual(t, framework.Suspended, ch.State)
	}

	plain := clientOf(t, framework.Config{ConnectString: srv.Addr(), SessionTimeout: sessionTimeout})
	require.NoError(t, plain.WaitConnected(within(t, time.Minute)))
	assert.Empty(t, whoIs(t, plain))
	files.identify(newAuthority(t), "mallory")
	require.ErrorIs(t, cli.Reconnect(within(t, time.Second)), framework.ErrAuthFailed)
	assert.Equal(t, []string{"x509:CN=bob"}, whoIs(t, cli))
}
