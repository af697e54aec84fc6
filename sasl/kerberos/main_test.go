package kerberos_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(withRealm{realzk.Main(m)}) }

// withRealm ends the realm that the tests share when they are over.
type withRealm struct{ m realzk.M }

func (w withRealm) Run() int {
	code := w.m.Run()
	shared.end()
	return code
}

// realm is a KDC, and a ZooKeeper server that lets nobody in without a ticket of its.
type realm struct {
	kdc    *realzk.KDC
	server *realzk.Server
	keytab string // of its clients
	old    string // of rekeyed, which has got other keys since
}

// serverPrincipal is the server's, and password that of passing.
const (
	serverPrincipal = "zookeeper/localhost"
	password        = "kerberos-s3cr3t"
)

// shared is the realm of all tests: starting one takes a second.
var shared sharedRealm

type sharedRealm struct {
	once     sync.Once
	realm    *realm
	skipped  string
	failed   string
	cleanups []func()
}

// inRealm returns the realm, or skips the test where there is no KDC or no ZooKeeper.
func inRealm(t *testing.T) *realm {
	t.Helper()
	shared.once.Do(shared.start)
	switch {
	case shared.skipped != "":
		t.Skip(shared.skipped)
	case shared.failed != "":
		t.Fatal(shared.failed)
	}
	return shared.realm
}

func (s *sharedRealm) start() {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case skip:
			s.skipped = string(end)
		case fail:
			s.failed = string(end)
		default:
			panic(end)
		}
	}()
	tb := suite{s}
	kdc := realzk.StartKDC(tb)
	dir, err := os.MkdirTemp("", "docent-kerberos-")
	tb.must(err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	tb.must(kdc.AddPrincipal(serverPrincipal))
	tb.must(kdc.AddPrincipal("orders"))
	tb.must(kdc.AddPrincipal("billing"))
	tb.must(kdc.AddPrincipal("passing", "-pw", password))
	tb.must(kdc.AddPrincipal("shortlived", "-maxlife", "4 sec"))
	tb.must(kdc.AddPrincipal("renewing", "-maxrenewlife", "1 hour"))
	serverKeys, err := kdc.Keytab(serverPrincipal)
	tb.must(err)
	keytab, err := kdc.Keytab("orders", "billing", "shortlived", "renewing")
	tb.must(err)
	tb.must(kdc.AddPrincipal("rekeyed"))
	old, err := kdc.Keytab("rekeyed")
	tb.must(err)
	tb.must(kdc.Rekey("rekeyed"))
	tb.must(kdc.AddPrincipal("zookeeper/elsewhere"))
	jaas := filepath.Join(dir, "jaas.conf")
	tb.must(os.WriteFile(jaas, fmt.Appendf(nil, `Server {
	com.sun.security.auth.module.Krb5LoginModule required
	useKeyTab=true storeKey=true useTicketCache=false keyTab="%s" principal="%s@%s";
};
`, serverKeys, serverPrincipal, realzk.Realm), 0o600))
	server := realzk.Standalone(tb, realzk.Options{Properties: map[string]string{
		"zookeeper.sessionRequireClientSASLAuth": "true",
		"zookeeper.authProvider.sasl":            "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
		"java.security.auth.login.config":        jaas,
		"java.security.krb5.conf":                kdc.Config(),
	}})
	s.realm = &realm{kdc: kdc, server: server, keytab: keytab, old: old}
}

func (s *sharedRealm) end() {
	for _, cleanup := range slices.Backward(s.cleanups) {
		cleanup()
	}
}

// suite is the test binary as a realzk.TB, whose cleanups run when all tests are over.
type suite struct{ s *sharedRealm }

// skip and fail end the start of the realm.
type (
	skip string
	fail string
)

func (suite) Helper()                          {}
func (suite) Name() string                     { return "all tests" }
func (suite) Failed() bool                     { return false }
func (b suite) Cleanup(f func())               { b.s.cleanups = append(b.s.cleanups, f) }
func (suite) Logf(format string, args ...any)  { fmt.Printf(format+"\n", args...) }
func (suite) Skipf(format string, args ...any) { panic(skip(fmt.Sprintf(format, args...))) }
func (suite) Fatalf(format string, args ...any) {
	panic(fail(fmt.Sprintf(format, args...)))
}

func (b suite) must(err error) {
	if err != nil {
		b.Fatalf("%v", err)
	}
}
