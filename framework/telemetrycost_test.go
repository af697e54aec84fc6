package framework

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// bareGet is Get as it would be without telemetry: what do adds is left out.
func bareGet(ctx context.Context, o *ops, path string) (node Node, err error) {
	at, err := o.space.resolve(path)
	if err != nil {
		return node, o.failUnsent("get", path, err)
	}
	err = o.perform(ctx, request{op: "get", path: path, size: len(at), repeatable: true, try: func(ctx context.Context, e *epoch) (err error) {
		node, err = ask(ctx, e, getQuery(o.space, at, false))
		return err
	}}, nil)
	return node, err
}

// onNode calls f with a client and the ways to read a node: with telemetry that nobody has asked for, and without.
func onNode(tb testing.TB, f func(get, bare func())) {
	tb.Helper()
	s, err := zktest.Start(zktest.Config{})
	require.NoError(tb, err)
	defer func() { assert.NoError(tb, s.Close()) }()
	_, err = s.Create("/node", make([]byte, 128), zktest.Persistent)
	require.NoError(tb, err)
	cli, err := New(Config{ConnectString: s.ConnectString()})
	require.NoError(tb, err)
	defer func() { assert.NoError(tb, cli.Close()) }()
	must := func(_ Node, err error) { require.NoError(tb, err) }
	ctx := context.Background()
	f(func() { must(cli.Get(ctx, "/node")) }, func() { must(bareGet(ctx, &cli.ops, "/node")) })
}

// The server's allocations are counted as well, and are the same.
func TestUnsetTelemetryAllocatesNothing(t *testing.T) {
	onNode(t, func(get, bare func()) {
		var with, without float64
		for range 15 { // other goroutines of the process can only add allocations
			with, without = least(with, testing.AllocsPerRun(100, get)), least(without, testing.AllocsPerRun(100, bare))
		}
		assert.Equal(t, without, with)
		t.Logf("%v allocations for a get", with)
	})
}

func least(soFar, n float64) float64 {
	if soFar == 0 {
		return n
	}
	return min(soFar, n)
}

// Telemetry alone, without the request: what it adds to an operation while nobody has asked for it.
func TestUnsetTelemetryReturnsNothing(t *testing.T) {
	c := &core{}
	c.startTelemetry()
	defer c.telemetry.Close()
	ctx := context.Background()
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		if with, op := c.telemetry.Operation(ctx, "get", "/node"); op != nil || with != ctx {
			t.Fail()
		}
	}))
}

// BenchmarkUnsetTelemetry runs gets with and without telemetry in turn, so that both meet the same machine, and reports the
// ratio of the medians of the turns.
func BenchmarkUnsetTelemetry(b *testing.B) {
	const turn = 50
	onNode(b, func(get, bare func()) {
		took := func(f func()) float64 {
			start := time.Now()
			for range turn {
				f()
			}
			return float64(time.Since(start)) / turn
		}
		var with, without []float64
		for b.Loop() {
			with, without = append(with, took(get)), append(without, took(bare))
		}
		b.ReportMetric(median(without), "ns/bare-get")
		b.ReportMetric(median(with), "ns/get")
		b.ReportMetric(median(with)/median(without), "ratio")
		b.ReportMetric(0, "ns/op")
	})
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// BenchmarkUnsetOperation is what telemetry adds to an operation, alone.
func BenchmarkUnsetOperation(b *testing.B) {
	c := &core{}
	c.startTelemetry()
	defer c.telemetry.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, op := c.telemetry.Operation(ctx, "get", "/node"); op != nil {
			op.End(ctx, c.result(nil))
		}
	}
}
