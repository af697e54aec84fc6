package realzk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"sync"
)

// Space is one test's part of the server that all tests of a binary share: a
// chroot of its own. The server takes no faults, because others use it; put a
// Proxy in front of Addr, or start a Standalone.
type Space struct {
	server *Server
	root   string
}

// sharedServer is the server behind all spaces.
type sharedServer struct {
	started chan struct{} // closed when server or err is set
	server  *Server
	err     error
}

var shared struct {
	mu      sync.Mutex
	current *sharedServer // nil while there is none
}

// Shared returns a new space on the server of this test binary, which is started
// by the first call. TestMain ends the server; see Main.
func Shared(tb TB) *Space {
	tb.Helper()
	server, err := sharedOn(machine.require(tb))
	if err != nil {
		tb.Fatalf("%v", err)
	}
	space, err := newSpace(server)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	return space
}

func newSpace(server *Server) (*Space, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	var name [6]byte
	_, _ = rand.Read(name[:]) // never fails
	space := &Space{server: server, root: "/t" + hex.EncodeToString(name[:])}
	if err := createNode(ctx, server.Addr(), space.root); err != nil {
		return nil, server.errorf("creating %s: %w", space.root, err)
	}
	return space, nil
}

// sharedOn starts the shared server or waits for whoever does.
func sharedOn(from installation) (*Server, error) {
	shared.mu.Lock()
	s, starter := shared.current, false
	if s == nil {
		s, starter = &sharedServer{started: make(chan struct{})}, true
		shared.current = s
	}
	shared.mu.Unlock()
	if starter {
		s.server, s.err = startStandalone(from, Options{}, reserve)
		close(s.started)
	}
	<-s.started
	return s.server, s.err
}

// CloseShared stops the shared server, if there is one. Tests that use it must
// be over.
func CloseShared() error {
	shared.mu.Lock()
	s := shared.current
	shared.current = nil
	shared.mu.Unlock()
	if s == nil {
		return nil
	}
	<-s.started
	if s.err != nil {
		return nil // it was reported to the test that wanted the server
	}
	return s.server.close()
}

// M is the part of testing.M that Main needs.
type M interface{ Run() int }

// Main wraps m so that the shared server is gone when the tests are, before
// anybody looks for leaked goroutines:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }
//
// Of the parallel tests of the package, four run at once if -parallel does not
// say otherwise: they wait for servers more than they compute.
func Main(m M) M {
	_ = flag.Set("test.parallel", "4")
	return closingM{m}
}

type closingM struct{ M }

func (m closingM) Run() int {
	code := m.M.Run()
	if err := CloseShared(); err != nil {
		fmt.Println(err)
		code = max(code, 1)
	}
	return code
}

// Addr returns the server's address, host:port.
func (s *Space) Addr() string { return s.server.Addr() }

// Root returns the path below which the test may do as it likes, as in "/t4f1c".
func (s *Space) Root() string { return s.root }

// ConnectString returns the address with the root as chroot.
func (s *Space) ConnectString() string { return s.Addr() + s.root }

// ExpireSession ends a session on purpose; see the function of this name.
func (s *Space) ExpireSession(ctx context.Context, id int64) error {
	return s.server.ExpireSession(ctx, id)
}

// HoldSession has the server keep a session; see the method of [Server].
func (s *Space) HoldSession(ctx context.Context, id int64) error {
	return s.server.HoldSession(ctx, id)
}
