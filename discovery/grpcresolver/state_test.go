package grpcresolver

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// recorder is a channel that takes down what it is told.
type recorder struct {
	states chan resolver.State
	errors chan error
}

func newRecorder() *recorder {
	return &recorder{states: make(chan resolver.State, 100), errors: make(chan error, 100)}
}

func (r *recorder) UpdateState(s resolver.State) error                   { r.states <- s; return nil }
func (r *recorder) ReportError(err error)                                { r.errors <- err }
func (r *recorder) NewAddress([]resolver.Address)                        {}
func (r *recorder) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }
func target(raw string) resolver.Target {
	u, _ := url.Parse(raw)
	return resolver.Target{URL: *u}
}

// bubble runs f on fake time, with a client.
func bubble(t *testing.T, f func(t *testing.T, server *zktest.Server, cli *framework.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		cli, err := framework.New(framework.Config{ConnectString: server.ConnectString(), Dialer: server.Dial})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cli.Close()) })
		f(t, server, cli)
	})
}

// addrs are the addresses of a state, in the two forms that gRPC has.
func addrs(t *testing.T, s resolver.State) []string {
	t.Helper()
	var flat []string
	for i, a := range s.Addresses {
		flat = append(flat, a.Addr)
		assert.Equal(t, a.Addr, s.Endpoints[i].Addresses[0].Addr)
		assert.True(t, a.BalancerAttributes.Equal(s.Endpoints[i].Attributes))
	}
	assert.Len(t, s.Endpoints, len(s.Addresses))
	return flat
}

func TestAttributes(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		reg := discovery.New(cli, "/services",
			discovery.WithWeight(func(in *discovery.Instance[int]) float64 { return float64(in.Payload) }),
			discovery.WithZone(func(in *discovery.Instance[int]) string { return "z" + in.ID }))
		for i, id := range []string{"a", "b", "c"} {
			in := discovery.Instance[int]{Name: "orders", ID: id, Address: "::1", Port: 80, SSLPort: 443 * (i % 2), Payload: i + 1, Disabled: i == 2}
			_, err := reg.Register(t.Context(), in)
			require.NoError(t, err)
		}
		any := discovery.New(cli, "/services", discovery.AnyAddress[int]())
		_, err := any.Register(t.Context(), discovery.Instance[int]{Name: "orders", ID: "nowhere", Port: 80, SSLPort: 443})
		require.NoError(t, err)
		plain, tls := newRecorder(), newRecorder()
		for r, opts := range map[*recorder][]Option{plain: nil, tls: {WithSSLPort(), WithScheme("ZKS")}} {
			b := New(reg, opts...)
			f, err := b.Build(target(b.Scheme()+":///orders"), r, resolver.BuildOptions{})
			require.NoError(t, err)
			defer f.Close()
			f.ResolveNow(resolver.ResolveNowOptions{})
		}
		s := <-plain.states
		assert.Equal(t, []string{"[::1]:80", "[::1]:80"}, addrs(t, s))
		assert.Equal(t, 2.0, Weight(s.Endpoints[1].Attributes))
		assert.Equal(t, 1.0, Weight(s.Endpoints[0].Attributes))
		assert.Equal(t, "zb", Zone(s.Endpoints[1].Attributes))
		assert.Equal(t, "b", Key(s.Addresses[1].BalancerAttributes))
		assert.Equal(t, []string{"[::1]:443"}, addrs(t, <-tls.states))
		assert.Equal(t, 1.0, Weight(nil))
		assert.Empty(t, Zone(nil)+Key(nil))
		assert.Equal(t, "zks", New(reg, WithScheme("ZKS")).Scheme())
		assert.Empty(t, plain.errors)
	})
}

// Most balancers know no weights: an instance without one has no address, unless that is so of all.
func TestWithoutWeightNoAddress(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		for weight, want := range map[float64][]string{1: {"h:81"}, 0: {"h:80", "h:81", "h:82"}} {
			reg := discovery.New(cli, "/services", discovery.WithWeight(func(in *discovery.Instance[int]) float64 {
				return weight * float64(in.Payload)
			}))
			for i, id := range []string{"dark", "live", "off", "dim"} {
				_, err := reg.Register(t.Context(), discovery.Instance[int]{
					Name: "orders", ID: id, Address: "h", Port: []int{80, 81, 83, 82}[i], Payload: i % 2 * (3 - i), Disabled: id == "off",
				})
				require.NoError(t, err)
			}
			r := newRecorder()
			f, err := New(reg).Build(target("zk:///orders"), r, resolver.BuildOptions{})
			require.NoError(t, err)
			got := addrs(t, <-r.states)
			slices.Sort(got)
			assert.Equal(t, want, got)
			f.Close()
		}
	})
}

// While the registry is away the channel is told nothing; afterwards, what has changed.
func TestStaleRegistryIsNotReportedToTheChannel(t *testing.T) {
	bubble(t, func(t *testing.T, server *zktest.Server, cli *framework.Client) {
		reg := discovery.New[string](cli, "/services")
		_, err := reg.Register(t.Context(), discovery.Instance[string]{Name: "orders", ID: "a", Address: "h", Port: 80, Type: discovery.Static})
		require.NoError(t, err)
		r := newRecorder()
		f, err := New(reg).Build(target("zk:///orders"), r, resolver.BuildOptions{})
		require.NoError(t, err)
		defer f.Close()
		assert.Equal(t, []string{"h:80"}, addrs(t, <-r.states))
		server.Stop()
		time.Sleep(time.Hour)
		assert.Empty(t, r.states)
		assert.Empty(t, r.errors)
		require.NoError(t, server.StartEndpoint())
		_, err = reg.Register(t.Context(), discovery.Instance[string]{Name: "orders", ID: "b", Address: "h", Port: 81})
		require.NoError(t, err)
		for s := range r.states {
			if len(s.Addresses) == 2 {
				break
			}
		}
		assert.Empty(t, r.errors)
	})
}

// A registry that cannot be reached at first is reported, again and again.
func TestUnreachableAtFirst(t *testing.T) {
	bubble(t, func(t *testing.T, server *zktest.Server, cli *framework.Client) {
		require.NoError(t, cli.WaitConnected(t.Context()))
		server.Stop()
		r := newRecorder()
		f, err := New(discovery.New[string](cli, "/services")).Build(target("zk:///orders"), r, resolver.BuildOptions{})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		assert.Len(t, r.errors, 5)
		require.ErrorIs(t, <-r.errors, framework.ErrNotConnected)
		f.Close()
		seen := len(r.errors)
		time.Sleep(time.Minute)
		assert.Len(t, r.errors, seen)

		f, err = New(discovery.New[string](cli, "/services")).Build(target("zk:///orders"), r, resolver.BuildOptions{})
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, server.StartEndpoint())
		assert.Empty(t, addrs(t, <-r.states))
	})
}

// Scenario 58: a channel always has an address while the only instance is replaced in one transaction.
func TestAReplacedInstanceKeepsItsAddress(t *testing.T) {
	for _, latency := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		bubble(t, func(t *testing.T, server *zktest.Server, writer *framework.Client) {
			data := func(i int) []byte { return fmt.Appendf(nil, `{"name":"orders","id":"a","address":"h","port":%d}`, i+1) }
			const path = "/services/orders/a"
			_, err := writer.Create(t.Context(), path, data(0), framework.Persistent, framework.Parents)
			require.NoError(t, err)
			consumer, err := framework.New(framework.Config{ConnectString: server.ConnectString(), Dialer: server.Client("consumer").Dial})
			require.NoError(t, err)
			defer consumer.Close()
			r := newRecorder()
			f, err := New(discovery.New[string](consumer, "/services")).Build(target("zk:///orders"), r, resolver.BuildOptions{})
			require.NoError(t, err)
			defer f.Close()
			assert.Equal(t, []string{"h:1"}, addrs(t, <-r.states))
			defer server.Delay(zktest.ClientConns("consumer"), latency)()
			for i := range 20 {
				_, err := writer.Multi(t.Context(), []framework.Op{
					framework.DeleteOp(path, framework.AnyVersion), framework.CreateOp(path, data(i+1), framework.Persistent),
				})
				require.NoError(t, err)
				assert.Equal(t, []string{fmt.Sprintf("h:%d", i+2)}, addrs(t, <-r.states))
			}
			assert.Empty(t, r.errors)
		})
	}
}
