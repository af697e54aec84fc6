package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// screenText collects output, and calls a function for each write.
type screenText struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written func(all string) // if set
}

func (s *screenText) Write(data []byte) (int, error) {
	s.mu.Lock()
	s.text.Write(data)
	all, written := s.text.String(), s.written
	s.mu.Unlock()
	if written != nil {
		written(all)
	}
	return len(data), nil
}

func (s *screenText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// take returns what was written since the last take.
func (s *screenText) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return s.text.String()
}

// world is a server, the command, and other clients.
type world struct {
	t       *testing.T
	server  *zktest.Server
	cluster *zktest.Cluster   // nil for a single server
	hosts   map[string]string // what names resolve to
	env     map[string]string
	sys     *system
	out     *screenText // standard output
	err     *screenText // standard error
	clients map[string]*framework.Client
}

// date is when bubbles begin.
var date = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// inBubble runs f with an ensemble of n members in memory, that are named zk1, zk2, ...
func inBubble(t *testing.T, n int, cfg zktest.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(date))
		w := &world{t: t}
		if n == 1 {
			server, err := zktest.StartMemory(cfg)
			require.NoError(t, err)
			w.server = server
		} else {
			cluster, err := zktest.StartMemoryCluster(n, cfg)
			require.NoError(t, err)
			w.cluster, w.server = cluster, cluster.Server
		}
		defer func() { require.NoError(t, w.server.Close()) }()
		w.furnish(w.server.Client("here").Dial)
		defer w.closeClients()
		f(w)
	})
}

// furnish makes the rest, around a server.
func (w *world) furnish(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	w.out, w.err = &screenText{}, &screenText{}
	w.clients = map[string]*framework.Client{}
	var servers []string
	if w.server != nil {
		servers = w.resolve()
	}
	w.env = map[string]string{"DOCENT_SERVERS": strings.Join(servers, ",")}
	w.sys = &system{
		stdin: strings.NewReader(""), stdout: w.out, stderr: w.err, screen: true,
		getenv: func(name string) string { return w.env[name] }, signals: make(chan os.Signal),
		dial: dial, lookupHost: w.lookup, now: time.Now, patience: 3 * time.Second, label: "ops-1:4242",
	}
}

// resolve names the members zk1, zk2, ..., and returns them with their ports.
func (w *world) resolve() (servers []string) {
	w.hosts = map[string]string{}
	for i, addr := range strings.Split(w.server.ConnectString(), ",") {
		host, port, err := net.SplitHostPort(addr)
		require.NoError(w.t, err)
		name := fmt.Sprintf("zk%d", i+1)
		w.hosts[name] = host
		servers = append(servers, name+":"+port)
	}
	return servers
}

func (w *world) lookup(_ context.Context, host string) ([]string, error) {
	if address, ok := w.hosts[host]; ok {
		return []string{address}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// run runs the command and returns what it has written.
func (w *world) run(args ...string) (code int, stdout, stderr string) {
	w.sys.random = rand.NewChaCha8([32]byte{1})
	code = w.sys.run(args)
	return code, w.out.take(), w.err.take()
}

// ok runs the command, which succeeds, and returns its output.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	code, stdout, stderr := w.run(args...)
	require.Zero(w.t, code, "%v: %s", args, stderr)
	return stdout
}

// fails runs the command, which fails with a code and a message.
func (w *world) fails(code int, message string, args ...string) {
	w.t.Helper()
	got, stdout, stderr := w.run(args...)
	require.Equal(w.t, code, got, "%v: %s%s", args, stdout, stderr)
	require.Contains(w.t, stderr, message)
}

// client returns the client of another host.
func (w *world) client(host string) *framework.Client {
	w.t.Helper()
	if cli := w.clients[host]; cli != nil {
		return cli
	}
	cli, err := framework.New(framework.Config{
		ConnectString: w.server.ConnectString(), Dialer: w.server.Client(host).Dial, Random: rand.NewChaCha8(sha256.Sum256([]byte(host))),
	})
	require.NoError(w.t, err)
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
	w.clients[host] = cli
	return cli
}

func (w *world) closeClients() {
	for _, cli := range w.clients {
		_ = cli.Close()
	}
}

// create creates nodes with parents, by another client.
func (w *world) create(path, data string, opts ...framework.CreateOption) framework.Node {
	w.t.Helper()
	n, err := w.client("other").Create(w.t.Context(), path, []byte(data), append(opts, framework.Parents)...)
	require.NoError(w.t, err)
	return n
}

// exists reports whether a node does, in the server's own eyes.
func (w *world) exists(path string) bool {
	w.t.Helper()
	_, there, err := w.client("other").Exists(w.t.Context(), path)
	require.NoError(w.t, err)
	return there
}

func startServer(t *testing.T) *zktest.Server {
	t.Helper()
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}
