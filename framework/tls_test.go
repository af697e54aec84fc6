package framework_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// certificate is one for a host name that signs itself.
func certificate(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// terminator is a TLS server in front of another server.
type terminator struct {
	net.Listener
	back  string
	names chan string // the server names that clients have asked for
}

// terminate starts a terminator, which ends with the test.
func terminate(t *testing.T, cert tls.Certificate, back string) *terminator {
	t.Helper()
	p := &terminator{back: back, names: make(chan string, 1000)}
	var err error
	p.Listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			p.names <- hello.ServerName
			return nil, nil
		}})
	require.NoError(t, err)
	var pumps sync.WaitGroup
	pumps.Go(func() {
		for {
			conn, err := p.Accept()
			if err != nil {
				return
			}
			pumps.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = p.Close()
		pumps.Wait()
	})
	return p
}

func (p *terminator) serve(front net.Conn) {
	back, err := net.Dial("tcp", p.back)
	if err != nil {
		_ = front.Close()
		return
	}
	var both sync.WaitGroup
	pump := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = front.Close()
		_ = back.Close()
	}
	both.Go(func() { pump(front, back) })
	both.Go(func() { pump(back, front) })
	both.Wait()
}

func TestTLS(t *testing.T) {
	for name, c := range map[string]struct {
		host       string
		serverName string
		trusted    bool
		asked      string
		refusal    string
	}{
		"name of the connect string": {"zk1", "", true, "zk1", ""},
		"name of one's own":          {"127.0.0.1", "zk1", true, "zk1", ""},
		"another name":               {"zk2", "", true, "zk2", "certificate is valid for zk1, not zk2"},
		"an address without a name":  {"127.0.0.1", "", true, "", "doesn't contain any IP SANs"},
		"a certificate of nobody's":  {"zk1", "", false, "zk1", "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := zktest.Start(zktest.Config{})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, s.Close()) })
			cert, pool := certificate(t, "zk1")
			if !c.trusted {
				pool = x509.NewCertPool()
			}
			front := terminate(t, cert, s.Addrs()[0])
			_, port, err := net.SplitHostPort(front.Addr().String())
			require.NoError(t, err)
			server := c.host + ":" + port
			cli := clientOf(t, framework.Config{
				ConnectString: server, SessionTimeout: 30 * time.Second,
				TLS:        &tls.Config{RootCAs: pool, ServerName: c.serverName},
				LookupHost: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
			})
			if c.refusal != "" {
				assert.Equal(t, c.asked, <-front.names)
				err := cli.WaitConnected(within(t, 300*time.Millisecond))
				require.ErrorIs(t, err, framework.ErrNotConnected)
				require.ErrorContains(t, err, "TLS handshake with "+server)
				require.ErrorContains(t, err, c.refusal)
				return
			}
			require.NoError(t, cli.WaitConnected(within(t, 10*time.Second)))
			assert.Equal(t, c.asked, <-front.names)
			_, err = cli.Create(t.Context(), "/node", make([]byte, 500_000))
			require.NoError(t, err)
			s.Cut(zktest.AllConns())
			node, err := cli.Get(t.Context(), "/node")
			require.NoError(t, err)
			assert.Len(t, node.Data, 500_000)
		})
	}
}

// A server that accepts and does not speak TLS costs ConnectTimeout.
func TestTLSHandshakeIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Pause()
		var d dials
		cli := newClient(t, s, func(c *framework.Config) {
			c.ConnectTimeout, c.TLS = 200*time.Millisecond, &tls.Config{ServerName: "zk1"}
			d.watch(c)
		})
		err := cli.WaitConnected(within(t, 10*time.Second))
		require.ErrorContains(t, err, "TLS handshake with "+s.Addrs()[0])
		assert.Greater(t, len(d.begun), 5)
	})
}
