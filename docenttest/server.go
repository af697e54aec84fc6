package docenttest

import (
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docent-zk/docent/zktest"
)

// limit bounds each wait, in fake time.
const limit = time.Hour

// lifetime is the fake time after which a test counts as stuck.
const lifetime = 48 * time.Hour

// Server is a ZooKeeper server in the bubble of a test. It has the methods of its zktest.Server and those that tests of docent's clients need beside
// them. They fail the test if they cannot do what they say.
type Server struct {
	*zktest.Server
	tb     testing.TB
	settle time.Duration

	mu    sync.Mutex
	named map[string]int // clients that Config was called for
	trace []string       // the last lines
}

// Run runs f as a test in a bubble, with a server. It returns when every goroutine in the bubble has ended. f gets the T of the bubble, on
// which Run, Parallel and Deadline must not be called.
func Run(t *testing.T, f func(t *testing.T, srv *Server)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, Start(t, zktest.Config{}))
	})
}

// Start starts a server in the bubble that the caller is in, with a configuration. The server is closed when the test ends. Start fails the test
// if the caller is not in a bubble. Trace in cfg is called as usual.
func Start(tb testing.TB, cfg zktest.Config) *Server {
	tb.Helper()
	s := newServer(tb)
	if cfg.Latency > 0 {
		s.settle = 100 * cfg.Latency
	}
	cfg.Trace = s.tracing(cfg.Trace)
	server, err := zktest.StartMemory(cfg)
	if err != nil {
		tb.Fatalf("docenttest: cannot start a server: %v", err)
	}
	s.Server = server
	tb.Cleanup(s.end)
	return s
}

// Wrap makes a Server of one that the caller has started in the bubble, such as that of a [zktest.Cluster]. The caller closes it, after the test's
// clients: with Cleanup, called before Wrap.
func Wrap(tb testing.TB, server *zktest.Server) *Server {
	tb.Helper()
	s := newServer(tb)
	s.Server = server
	return s
}

// newServer makes a Server without its zktest.Server, and sets the test's time limit.
func newServer(tb testing.TB) *Server {
	tb.Helper()
	if !inBubble() {
		tb.Fatal("docenttest: not in a bubble: use docenttest.Run, or call Start in a function that synctest.Test runs")
	}
	watchdog := time.AfterFunc(lifetime, func() {
		debug.SetTraceback("all")
		panic("docenttest: " + tb.Name() + " has lasted for two days of fake time")
	})
	tb.Cleanup(func() { watchdog.Stop() })
	return &Server{tb: tb, settle: 20 * time.Millisecond, named: map[string]int{}}
}

// inBubble reports whether the caller runs in a bubble.
func inBubble() (yes bool) {
	defer func() { yes = recover() == nil }()
	synctest.Wait()
	return true
}

// shown is how many lines of the trace a test shows when it fails.
const shown = 80

// tracing keeps the last lines of the trace, without pings, and passes all to also, if that is set.
func (s *Server) tracing(also func(line string)) func(line string) {
	return func(line string) {
		if also != nil {
			also(line)
		}
		if strings.Contains(line, " ping ") {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.trace = append(s.trace, line)
		if len(s.trace) > 10*shown {
			s.trace = append(s.trace[:0], s.trace[len(s.trace)-shown:]...)
		}
	}
}

// end closes the server, and shows what it has seen if the test has failed.
func (s *Server) end() {
	if err := s.Close(); err != nil {
		s.tb.Errorf("docenttest: cannot close the server: %v", err)
	}
	if !s.tb.Failed() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tb.Logf("the server's last lines:\n%s", strings.Join(s.trace[max(0, len(s.trace)-shown):], "\n"))
}

// Put creates a persistent node with data and any missing parents, as another client would do it. A node that exists gets the data.
func (s *Server) Put(path, data string) {
	s.tb.Helper()
	if s.Exists(path) {
		s.must(s.Set(path, []byte(data)), "set %s", path)
		return
	}
	for i := 1; i < len(path); i++ {
		if path[i] == '/' && !s.Exists(path[:i]) {
			_, err := s.Create(path[:i], nil, zktest.Persistent)
			s.must(err, "create %s", path[:i])
		}
	}
	_, err := s.Create(path, []byte(data), zktest.Persistent)
	s.must(err, "create %s", path)
}

// List returns the names of a node's children in the order of the server's Children, and nil if the node does not exist.
func (s *Server) List(path string) []string {
	names, err := s.Children(path)
	if err != nil {
		return nil
	}
	return names
}

// must fails the test if err is not nil.
func (s *Server) must(err error, format string, args ...any) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("docenttest: cannot "+format+": %v", append(args, err)...)
	}
}
