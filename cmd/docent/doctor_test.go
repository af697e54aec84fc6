package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// diagnose runs doctor, and returns its exit code and what it has found, by check.
func (w *world) diagnose(args ...string) (int, map[string]finding) {
	w.t.Helper()
	code, stdout, stderr := w.run(append([]string{"doctor", "--json"}, args...)...)
	var all struct{ Findings []finding }
	require.NoError(w.t, json.Unmarshal([]byte(stdout), &all), stderr)
	found := map[string]finding{}
	problems := 0
	for _, f := range all.Findings {
		if old, twice := found[f.Check]; !twice || old.Verdict == verdictFine {
			found[f.Check] = f
		}
		if f.Verdict == verdictProblem {
			problems++
		}
	}
	require.Equal(w.t, problems > 0, code == exitUnhealthy, stdout)
	return code, found
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	inBubble(t, 3, zktest.Config{}, func(w *world) {
		before := w.server.Dump()
		code, found := w.diagnose()
		require.Zero(t, code, found)
		for _, check := range []string{"settings", "server", "ensemble", "session", "identity", "chroot", "acl", "write", "clock", "containers", "latency"} {
			require.Equal(t, verdictFine, found[check].Verdict, "%s: %v", check, found)
		}
		require.Equal(t, len(before), len(w.server.Dump()), "a node was left behind")
		counts := w.server.Counts()
		_, found = w.diagnose("--no-write")
		require.Equal(t, verdictSkipped, found["write"].Verdict)
		require.Zero(t, w.server.Counts().Sub(counts).Writes())
	})
}

// disorder is something that doctor has to find.
type disorder struct {
	cfg     zktest.Config
	members int
	prepare func(w *world)
	args    []string
	check   string
	verdict string
	text    string
	advice  string
}

var disorders = map[string]disorder{
	"settings": {
		args: []string{"--servers", "zk1,zk2;zk3"}, check: "settings", verdict: verdictProblem, text: "a semicolon", advice: "Correct the flags",
	},
	"one server": {members: 1, check: "settings", verdict: verdictNote, text: "names 1 server", advice: "Name all servers"},
	"a name that does not exist": {
		prepare: func(w *world) { delete(w.hosts, "zk2") }, check: "name", verdict: verdictProblem, text: "The name zk2 cannot be resolved", advice: "DNS",
	},
	"a server that is down": {
		prepare: func(w *world) { w.server.Refuse(0) }, check: "tcp", verdict: verdictProblem, text: "cannot be reached", advice: "nothing listens",
	},
	"a server that hangs": {
		prepare: func(w *world) { w.server.Pause(0) }, check: "server", verdict: verdictNote, text: "did not answer",
	},
	"no quorum": {
		prepare: func(w *world) { w.cluster.CutOff(); time.Sleep(5 * time.Second) },
		check:   "server", verdict: verdictProblem, text: "it has no quorum", advice: "majority",
	},
	"two servers that are no ensemble": {
		members: 1, cfg: zktest.Config{Endpoints: 2}, check: "ensemble", verdict: verdictProblem, text: "do not share their data",
	},
	"a session timeout beyond the servers' limits": {
		cfg: zktest.Config{MaxSessionTimeout: 4 * time.Second}, check: "session", verdict: verdictNote, text: "a timeout of 4s", advice: "15s was asked for",
	},
	"a chroot that does not exist": {
		args: []string{"--namespace", "/app"}, check: "chroot", verdict: verdictNote, text: "/app does not exist", advice: "Recipes create it",
	},
	"an ACL that forbids to read": {
		prepare: func(w *world) { w.restrict(4) }, check: "acl", verdict: verdictProblem, text: "may not read", advice: "--auth or --sasl",
	},
	"an ACL that forbids to create": {
		prepare: func(w *world) { w.restrict(1) }, check: "write", verdict: verdictProblem, text: "may not create nodes", advice: "--namespace",
	},
	"a clock that is a little ahead": {
		prepare: func(w *world) { w.shift(-20 * time.Second) }, check: "clock", verdict: verdictNote, text: "20s ahead of", advice: "NTP",
	},
	"a clock that is far behind": {
		prepare: func(w *world) { w.shift(time.Hour) }, check: "clock", verdict: verdictProblem, text: "1h0m0s behind", advice: "NTP",
	},
	"servers without containers": {
		prepare: func(w *world) {
			w.server.Inject(zktest.Rule{Op: zktest.OpCreateContainer}, zktest.AnswerWith(zktest.ErrUnimplemented))
		},
		check: "containers", verdict: verdictNote, text: "do not know container nodes", advice: "persistent",
	},
	"slow writes": {
		prepare: func(w *world) { w.server.Delay(zktest.ClientConns("here"), 100*time.Millisecond) },
		check:   "latency", verdict: verdictNote, text: "a write 200ms", advice: "dataLogDir",
	},
	"latency that breaks connections": {
		prepare: func(w *world) { w.server.Delay(zktest.ClientConns("here"), time.Second) },
		check:   "latency", verdict: verdictProblem, text: "A read takes 3s", advice: "--session-timeout",
	},
	"a SASL password that is wrong": {
		cfg:     zktest.Config{SASLUsers: map[string]string{"me": "s3cr3t"}},
		prepare: func(w *world) { w.env["PW"] = "other" }, args: []string{"--sasl", "me:env:PW"},
		check: "identity", verdict: verdictProblem, text: "refuse", advice: "JAAS",
	},
}

func TestDoctorNamesTheProblem(t *testing.T) {
	for name, c := range disorders {
		t.Run(name, func(t *testing.T) {
			members := c.members
			if members == 0 {
				members = 3
			}
			inBubble(t, members, c.cfg, func(w *world) {
				if c.prepare != nil {
					c.prepare(w)
				}
				_, found := w.diagnose(c.args...)
				got := found[c.check]
				require.Equal(t, c.verdict, got.Verdict, found)
				require.Contains(t, got.Text, c.text)
				require.Contains(t, got.Advice, c.advice)
			})
		})
	}
}

// restrict leaves permissions on the root to everybody.
func (w *world) restrict(perms int32) {
	_, err := w.client("other").SetACL(w.t.Context(), "/", []framework.ACL{{Scheme: "world", ID: "anyone", Perms: perms}}, framework.AnyVersion)
	require.NoError(w.t, err)
}

// shift sets the clock of this machine, and not that of the servers.
func (w *world) shift(by time.Duration) { w.sys.now = func() time.Time { return time.Now().Add(by) } }

func TestDoctorShowsIdentitiesWithoutSecrets(t *testing.T) {
	inBubble(t, 3, zktest.Config{SASLUsers: map[string]string{"svc": "s3cr3t"}}, func(w *world) {
		w.env["CRED"], w.env["PW"] = "me:s3cr3t", "s3cr3t"
		code, stdout, _ := w.run("doctor", "--auth", "digest:env:CRED", "--sasl", "svc:env:PW")
		require.Zero(t, code, stdout)
		require.Contains(t, stdout, "sasl:svc, digest:me.")
		require.NotContains(t, stdout, "s3cr3t")
	})
}

// authority issues certificates for tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	pair := a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue makes a certificate, and writes it and its key to <name>.pem and <name>.key.
func (a *authority) issue(name string, template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	require.NoError(a.t, err)
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(crand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	for file, block := range map[string]*pem.Block{a.file(name): {Type: "CERTIFICATE", Bytes: der}, a.dir + "/" + name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		require.NoError(a.t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name+".pem") }

// tlsFront is a server with TLS in front of a server without.
func tlsFront(t *testing.T, server *zktest.Server, cfg *tls.Config) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	require.NoError(t, err)
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go forward(ctx, conn, server.ConnectString())
		}
	}()
	t.Cleanup(func() { cancel(); _ = l.Close(); <-done })
	return l.Addr().String()
}

func forward(ctx context.Context, conn net.Conn, target string) {
	defer conn.Close()
	if conn.(*tls.Conn).HandshakeContext(ctx) != nil {
		return
	}
	behind, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer behind.Close()
	defer context.AfterFunc(ctx, func() { conn.Close(); behind.Close() })()
	go func() { _, _ = io.Copy(behind, conn); behind.Close() }()
	_, _ = io.Copy(conn, behind)
}

func TestDoctorExplainsTLS(t *testing.T) {
	server := startServer(t)
	ca, other := newAuthority(t), newAuthority(t)
	local := func() *x509.Certificate {
		return &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	}
	expired := local()
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	good := tlsFront(t, server, &tls.Config{Certificates: []tls.Certificate{ca.issue("good", local())}})
	old := tlsFront(t, server, &tls.Config{Certificates: []tls.Certificate{ca.issue("old", expired)}})
	elsewhere := tlsFront(t, server, &tls.Config{Certificates: []tls.Certificate{ca.issue("elsewhere", &x509.Certificate{DNSNames: []string{"zk.example"}})}})
	mutual := tlsFront(t, server, &tls.Config{Certificates: []tls.Certificate{ca.issue("mutual", local())}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	ca.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	for name, c := range map[string]struct {
		address string
		args    []string
		advice  string // empty: all is well
	}{
		"good":                           {good, []string{"--tls-ca", ca.file("ca")}, ""},
		"insecure":                       {elsewhere, []string{"--tls-insecure"}, ""},
		"another name":                   {elsewhere, []string{"--tls-ca", ca.file("ca"), "--tls-server-name", "zk.example"}, ""},
		"a client certificate":           {mutual, []string{"--tls-ca", ca.file("ca"), "--tls-cert", ca.file("client"), "--tls-key", ca.dir + "/client.key"}, ""},
		"no client certificate":          {mutual, []string{"--tls-ca", ca.file("ca")}, "client certificate"},
		"an unknown authority":           {good, []string{"--tls-ca", other.file("ca")}, "--tls-ca"},
		"a wrong name":                   {elsewhere, []string{"--tls-ca", ca.file("ca")}, "--tls-server-name"},
		"an expired certificate":         {old, []string{"--tls-ca", ca.file("ca")}, "Renew"},
		"a port without TLS":             {server.ConnectString(), []string{"--tls"}, "leave out the flags for TLS"},
		"a port with TLS, not asked for": {good, nil, "Use --tls"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, server: server}
			w.furnish((&net.Dialer{}).DialContext)
			w.sys.patience = 2 * time.Minute
			code, found := w.diagnose(append([]string{"--timeout", "2m", "--session-timeout", "4m", "--servers", c.address}, c.args...)...)
			if c.advice == "" {
				require.Zero(t, code, found)
				return
			}
			require.Equal(t, verdictProblem, found["tls"].Verdict, found)
			require.Contains(t, found["tls"].Advice, c.advice)
		})
	}
}

func TestDialAdvice(t *testing.T) {
	for want, err := range map[string]error{
		"nothing listens": &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"no way":          &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)},
		"firewall":        &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded},
		"Check the":       io.ErrUnexpectedEOF,
	} {
		require.Contains(t, dialAdvice(err), want)
	}
}
