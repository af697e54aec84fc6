package etcd

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/docent-zk/docent/internal/test/realzk"
)

// patience bounds what must happen, and is far longer than it takes on a slow machine.
const patience = 2 * time.Minute

// within is a context for what must happen.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// come waits for something that must happen.
func come[T any](t testing.TB, c <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-within(t).Done():
		require.FailNow(t, "it does not come", what)
	}
	return value
}

// party is somebody who uses etcd.
type party struct {
	t testing.TB
	*clientv3.Client
	*calls
}

// connect is a party that reaches the server at an address.
func connect(t testing.TB, addr string) *party {
	t.Helper()
	calls := &calls{of: map[string]int{}}
	cli, err := clientv3.New(clientv3.Config{
		Endpoints: []string{addr}, DialTimeout: patience, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(calls.count)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = cli.Close() })
	return &party{t, cli, calls}
}

// behind is a party that reaches the server through a proxy.
func behind(t testing.TB) (*party, *realzk.Proxy) {
	t.Helper()
	proxy := realzk.NewProxy(t, endpoint)
	return connect(t, proxy.Addr()), proxy
}

// session is a session whose lease lasts so many seconds without a word from its client.
func (p *party) session(ttl int) *concurrency.Session {
	p.t.Helper()
	session, err := concurrency.NewSession(p.Client, concurrency.WithTTL(ttl))
	require.NoError(p.t, err)
	return session
}

// keys are how many there are below a path, as the server sees it.
func (p *party) keys(path string) int64 {
	p.t.Helper()
	answer, err := p.Get(within(p.t), path+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	require.NoError(p.t, err)
	return answer.Count
}

// untilThereAre waits until there are n keys below a path.
func (p *party) untilThereAre(path string, n int64) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(within(p.t))
	defer cancel()
	changes := p.Watch(ctx, path+"/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	for p.keys(path) != n {
		come(p.t, changes, "change of "+path)
	}
}

// calls counts what a client asks for, but for watches and keep-alives, which are streams.
type calls struct {
	mu   sync.Mutex
	of   map[string]int // by method
	seen int
}

func (c *calls) count(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	c.mu.Lock()
	c.of[method]++
	c.seen++
	c.mu.Unlock()
	return invoke(ctx, method, req, reply, conn, opts...)
}

// since is how many calls there were since then.
func (c *calls) since(then int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen - then
}
