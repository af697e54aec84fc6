package grpcresolver_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/discovery/grpcresolver"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// policy is a balancer, with calls that are tried again when a server has not answered because it was killed.
func policy(balancer string) string {
	return `{
	"loadBalancingConfig": [{"` + balancer + `": {}}],
	"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 5, "initialBackoff": "0.01s", "maxBackoff": "0.1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]
	}}]
}`
}

// world is a registry on an in-process server.
type world struct {
	*zktest.Server
	t   *testing.T
	cli *framework.Client
	reg *discovery.Registry[string]
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	w := &world{Server: server, t: t}
	w.cli = w.client()
	w.reg = discovery.New[string](w.cli, "/services")
	return w
}

func (w *world) client() *framework.Client {
	w.t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: w.ConnectString(), SessionTimeout: 30 * time.Second})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, cli.Close()) })
	return cli
}

// soon is a context for what must happen, and far longer than it should take.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// instance is a gRPC server that is registered.
type instance struct {
	*discovery.Registration[string]
	server *grpc.Server
	addr   string
}

// serve starts a gRPC server and registers it.
func (w *world) serve(id string) instance {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(l) }()
	w.t.Cleanup(s.Stop)
	r, err := w.reg.Register(soon(w.t), discovery.Instance[string]{
		Name: "orders", ID: id, Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port,
	})
	require.NoError(w.t, err)
	return instance{r, s, l.Addr().String()}
}

// dial opens a channel to a target.
func (w *world) dial(target, balancer string) *grpc.ClientConn {
	w.t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithResolvers(grpcresolver.New(w.reg)),
		grpc.WithDefaultServiceConfig(policy(balancer)), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, conn.Close()) })
	return conn
}

// call makes one call and returns who has answered.
func call(ctx context.Context, conn *grpc.ClientConn, opts ...grpc.CallOption) (string, error) {
	var p peer.Peer
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, append(opts, grpc.Peer(&p))...)
	if err != nil {
		return "", err
	}
	return p.Addr.String(), nil
}

// until calls until the latest calls were answered by exactly those, none of which may fail.
func until(t *testing.T, conn *grpc.ClientConn, want ...instance) {
	t.Helper()
	var addrs []string
	for _, i := range want {
		addrs = append(addrs, i.addr)
	}
	slices.Sort(addrs)
	var latest []string
	for ctx := soon(t); ; {
		who, err := call(ctx, conn, grpc.WaitForReady(true))
		require.NoError(t, err, "latest: %v, want: %v", latest, addrs)
		latest = append(latest, who)
		if len(latest) < 4*len(addrs) {
			continue
		}
		latest = latest[len(latest)-4*len(addrs):]
		seen := slices.Clone(latest)
		slices.Sort(seen)
		if slices.Equal(slices.Compact(seen), addrs) {
			return
		}
	}
}

// Three servers; one is killed, one drains, one comes, and the registry goes away: calls go on.
func TestCallsContinue(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.serve("a"), w.serve("b"), w.serve("c")
	conn := w.dial("zk:///orders", "round_robin")
	until(t, conn, a, b, c)
	b.server.Stop() // it is registered for as long as its session lives
	until(t, conn, a, c)
	require.NoError(t, b.Close(soon(t)))
	d := w.serve("d")
	until(t, conn, a, c, d)
	require.NoError(t, c.Update(soon(t), discovery.Instance[string]{Name: "orders", Address: "127.0.0.1", Port: c.Instance().Port, Disabled: true}))
	until(t, conn, a, d)

	w.Stop()
	for ch := range w.cli.States(soon(t)) {
		if ch.State == framework.Suspended {
			break
		}
	}
	for range 50 {
		who, err := call(soon(t), conn)
		require.NoError(t, err, "the last addresses stay")
		assert.Contains(t, []string{a.addr, d.addr}, who)
	}
	require.NoError(t, w.StartEndpoint())
	e := w.serve("e")
	until(t, conn, a, d, e)
}

// A call that cannot be made says why, if the balancer does.
func TestNoInstances(t *testing.T) {
	w := newWorld(t)
	conn := w.dial("zk:///orders", "pick_first")
	says := func(text string) {
		t.Helper()
		for ctx := soon(t); ; {
			_, err := call(ctx, conn) // it may succeed while the channel has not heard of it
			require.NoError(t, ctx.Err(), "the result stays %v", err)
			if s := status.Convert(err); s.Code() == codes.Unavailable && strings.Contains(s.Message(), text) {
				return
			}
		}
	}
	says("there is no node /services/orders")
	a := w.serve("a")
	until(t, conn, a)
	require.NoError(t, a.Close(soon(t)))
	says("0 registered")
	a = w.serve("a")
	until(t, conn, a)
	require.NoError(t, a.Update(soon(t), discovery.Instance[string]{Name: "orders", Address: "127.0.0.1", Port: a.Instance().Port, Disabled: true}))
	says("1 registered, 1 of them disabled")
}

// A channel that is opened while the registry is away works when it is back.
func TestRegistryAwayAtFirst(t *testing.T) {
	w := newWorld(t)
	a := w.serve("a")
	w.Stop()
	conn := w.dial("zk:///orders", "round_robin")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := call(ctx, conn)
	require.Error(t, err)
	require.NoError(t, w.StartEndpoint())
	until(t, conn, a)
}

func TestClosedClient(t *testing.T) {
	w := newWorld(t)
	cli := w.client()
	require.NoError(t, cli.Close())
	w.reg = discovery.New[string](cli, "/services")
	_, err := call(soon(t), w.dial("zk:///orders", "round_robin"))
	require.ErrorContains(t, err, framework.ErrClosed.Error())
}

func TestTargets(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"zk://host/orders", "zk:///", "zk:///a/../b", "zk:///a//b", "zk:////", "zk://///"} {
		conn := w.dial(target, "round_robin")
		_, err := call(soon(t), conn)
		assert.ErrorContains(t, err, "target zk:", target)
	}
}
