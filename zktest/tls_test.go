package zktest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// selfSigned is a pair that signs itself, and the pool that trusts it.
func selfSigned(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// A server with TLS knows a client by the subject of its certificate, and hangs up on one that has none if it wants one.
func TestTLS(t *testing.T) {
	server, roots := selfSigned(t, "zk1")
	client, clients := selfSigned(t, "ann")
	s, err := zktest.Start(zktest.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients,
	}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close()) })
	cfg := &tls.Config{RootCAs: roots, ServerName: "zk1", Certificates: []tls.Certificate{client}}
	conn, events, err := zk.Connect(s.Addrs(), 10*time.Second, zk.WithLogInfo(false), zk.WithDialer(func(network, addr string, limit time.Duration) (net.Conn, error) {
		return tls.DialWithDialer(&net.Dialer{Timeout: limit}, network, addr, cfg)
	}))
	require.NoError(t, err)
	defer conn.Close()
	for ev := range events {
		if ev.State == zk.StateHasSession {
			break
		}
	}
	_, err = conn.Create("/mine", []byte("data"), 0, zk.AuthACL(zk.PermAll))
	require.NoError(t, err)
	acl, _, err := conn.GetACL("/mine")
	require.NoError(t, err)
	assert.Equal(t, []zk.ACL{{Perms: zk.PermAll, Scheme: "x509", ID: "CN=ann"}}, acl)

	bare, err := tls.Dial("tcp", s.Addrs()[0], &tls.Config{RootCAs: roots, ServerName: "zk1"})
	if err == nil { // the refusal comes behind the client's part of the handshake
		_, err = bare.Read(make([]byte, 1))
		_ = bare.Close()
	}
	require.ErrorContains(t, err, "certificate required")

	_, err = zktest.StartMemory(zktest.Config{TLS: cfg})
	require.Error(t, err)
	_, err = zktest.StartMemoryCluster(3, zktest.Config{TLS: cfg})
	require.Error(t, err)
}
