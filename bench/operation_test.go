package bench

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// payload is the data of a node: as long as a small configuration or an address.
var payload = make([]byte, 128)

func BenchmarkGet(b *testing.B)      { onCallers(b, get) }
func BenchmarkSet(b *testing.B)      { onCallers(b, set) }
func BenchmarkCreate(b *testing.B)   { onCallers(b, create) }
func BenchmarkChildren(b *testing.B) { onCallers(b, children) }

// onCallers runs a contest with few and with many callers on one session.
func onCallers(b *testing.B, contest func(testing.TB, place, int) contest) {
	onEach(b, func(b *testing.B, p place) {
		for _, callers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { contest(b, p, callers).run(b) })
		}
	})
}

func get(tb testing.TB, p place, callers int) contest {
	cli, conn, ctx := p.docent(tb), p.bare(tb), tb.Context()
	node := target(tb, p, conn)
	return among(ctx, callers, func() error {
		_, err := cli.Get(ctx, node)
		return err
	}, func() error {
		_, _, err := conn.Get(p.root + node)
		return err
	})
}

func set(tb testing.TB, p place, callers int) contest {
	cli, conn, ctx := p.docent(tb), p.bare(tb), tb.Context()
	node := target(tb, p, conn)
	return among(ctx, callers, func() error {
		_, err := cli.Set(ctx, node, payload, framework.AnyVersion)
		return err
	}, func() error {
		_, err := conn.Set(p.root+node, payload, -1)
		return err
	})
}

// create makes a node and deletes it again, so that neither side leaves anything.
func create(tb testing.TB, p place, callers int) contest {
	cli, conn, ctx := p.docent(tb), p.bare(tb), tb.Context()
	var docents, bares atomic.Uint64
	return among(ctx, callers, func() error {
		node := "/docent-" + strconv.FormatUint(docents.Add(1), 36)
		if _, err := cli.Create(ctx, node, payload); err != nil {
			return err
		}
		return cli.Delete(ctx, node, framework.AnyVersion)
	}, func() error {
		node := p.root + "/bare-" + strconv.FormatUint(bares.Add(1), 36)
		if _, err := conn.Create(node, payload, 0, zk.WorldACL(zk.PermAll)); err != nil {
			return err
		}
		return conn.Delete(node, -1)
	})
}

// children lists a hundred of them.
func children(tb testing.TB, p place, callers int) contest {
	cli, conn, ctx := p.docent(tb), p.bare(tb), tb.Context()
	const dir = "/dir"
	for i := -1; i < 100; i++ {
		path := dir
		if i >= 0 {
			path = fmt.Sprintf("%s/instance-%012d", dir, i)
		}
		if _, err := conn.Create(p.root+path, nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
			require.ErrorIs(tb, err, zk.ErrNodeExists) // an earlier run of the benchmark
		}
	}
	return among(ctx, callers, func() error {
		_, _, err := cli.Children(ctx, dir)
		return err
	}, func() error {
		_, _, err := conn.Children(p.root + dir)
		return err
	})
}

// target makes the node that operations are about.
func target(tb testing.TB, p place, conn *zk.Conn) string {
	tb.Helper()
	const path = "/node"
	if _, err := conn.Create(p.root+path, payload, 0, zk.WorldACL(zk.PermAll)); err != nil {
		require.ErrorIs(tb, err, zk.ErrNodeExists) // an earlier run of the benchmark
	}
	return path
}
