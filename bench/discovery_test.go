package bench

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

// crowd is how many instances there are to pick from.
const crowd = 200

// strategies are those that can be chosen.
var strategies = []struct {
	name string
	make func() discovery.Strategy
}{
	{"RoundRobin", discovery.RoundRobin},
	{"Random", discovery.Random},
	{"Sticky", discovery.Sticky},
	{"Weighted", discovery.Weighted},
	{"PowerOfTwo", discovery.PowerOfTwo},
}

// crowded registers a crowd of different weights.
func crowded(tb testing.TB) *discovery.Registry[int] {
	tb.Helper()
	cli := onZktest(tb).docent(tb)
	reg := discovery.New(cli, "/services", discovery.WithWeight(func(in *discovery.Instance[int]) float64 { return float64(in.Payload) }))
	for i := range crowd {
		in := discovery.Instance[int]{Name: "crowd", ID: fmt.Sprint(i), Address: "10.0.0.1", Port: 1024 + i, Payload: 1 + i%7}
		_, err := reg.Register(within(tb), in)
		require.NoError(tb, err)
	}
	return reg
}

// view opens a view of the crowd.
func view(tb testing.TB, reg *discovery.Registry[int], s discovery.Strategy) *discovery.Service[int] {
	tb.Helper()
	svc, err := reg.Open(within(tb), "crowd", discovery.WithStrategy(s))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, svc.Close()) })
	return svc
}

// BenchmarkPick is one Pick and its Done, of one caller and of four. The floor is the least that taking turns can cost: an index
// that all callers increment.
func BenchmarkPick(b *testing.B) {
	reg := crowded(b)
	var floor struct {
		_    [64]byte
		next atomic.Uint64
		_    [56]byte
	}
	instances := make([]*discovery.Endpoint[int], crowd)
	pickers := map[string]func() *discovery.Endpoint[int]{"floor": func() *discovery.Endpoint[int] { return instances[floor.next.Add(1)%crowd] }}
	for _, s := range strategies {
		svc := view(b, reg, s.make())
		pickers["strategy="+s.name] = func() *discovery.Endpoint[int] {
			e, _ := svc.Pick()
			e.Done(nil)
			return e
		}
	}
	for name, pick := range pickers {
		for _, callers := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) { pickMany(b, callers, pick) })
		}
	}
}

// pickMany has each of some callers pick b.N times, and reports the processor time of a pick besides what testing does.
func pickMany(b *testing.B, callers int, pick func() *discovery.Endpoint[int]) {
	b.ReportAllocs()
	var all sync.WaitGroup
	before := processTime()
	for range callers {
		all.Go(func() {
			for range b.N {
				_ = pick()
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(processTime()-before)/float64(b.N*callers), "cpu-ns/pick")
}

// BenchmarkServiceChange changes one of many instances and waits until a view has told of it.
func BenchmarkServiceChange(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			cli := onZktest(b).docent(b)
			_, err := cli.Create(within(b), "/services", nil)
			require.NoError(b, err)
			_, err = cli.Create(within(b), "/services/crowd", nil)
			require.NoError(b, err)
			data := func(i, port int) []byte {
				return fmt.Appendf(nil, `{"name":"crowd","id":"%d","address":"10.0.0.1","port":%d}`, i, port)
			}
			for i := range n {
				_, err := cli.Create(within(b), fmt.Sprintf("/services/crowd/%d", i), data(i, 1))
				require.NoError(b, err)
			}
			svc := view(b, discovery.New[int](cli, "/services"), nil)
			changes := svc.Changes(b.Context())
			<-changes
			b.ReportAllocs()
			before, port := processTime(), 1
			for b.Loop() {
				port++
				_, err := cli.Set(b.Context(), fmt.Sprintf("/services/crowd/%d", port%n), data(port%n, port), framework.AnyVersion)
				require.NoError(b, err)
				require.Equal(b, port, (<-changes).Updated[0].Port)
			}
			b.ReportMetric(float64(processTime()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// Picking allocates nothing.
func TestPickAllocatesNothing(t *testing.T) {
	reg := crowded(t)
	for _, s := range strategies {
		svc := view(t, reg, s.make())
		allocs := testing.AllocsPerRun(1000, func() {
			e, err := svc.Pick()
			if err != nil {
				t.Error(err)
				return
			}
			e.Done(nil)
		})
		assert.Zero(t, allocs, s.name)
	}
}

// BenchmarkDecode reads one instance, as a view does for each that has changed.
func BenchmarkDecode(b *testing.B) {
	codec := discovery.JSON[int]()
	data, err := codec.Encode(discovery.Instance[int]{Name: "crowd", ID: "a", Address: "10.0.0.1", Port: 8080, Payload: 3})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
