package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
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

// BenchmarkPick is one Pick and its Done, of one caller and of as many as there are processors.
func BenchmarkPick(b *testing.B) {
	reg := crowded(b)
	for _, s := range strategies {
		svc := view(b, reg, s.make())
		b.Run("strategy="+s.name+"/callers=1", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e, _ := svc.Pick()
				e.Done(nil)
			}
		})
		b.Run("strategy="+s.name+"/callers=all", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					e, _ := svc.Pick()
					e.Done(nil)
				}
			})
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
