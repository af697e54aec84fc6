package bench

import (
	"fmt"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// payload is the data of a node: as long as a small configuration or an address.
var payload = make([]byte, 128)

func BenchmarkGet(b *testing.B) { onCallers(b, get) }
func BenchmarkSet(b *testing.B) { onCallers(b, set) }

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
	return contest{
		docent: spread(callers, func() error {
			_, err := cli.Get(ctx, node)
			return err
		}),
		bare: spread(callers, func() error {
			_, _, err := conn.Get(p.root + node)
			return err
		}),
	}
}

func set(tb testing.TB, p place, callers int) contest {
	cli, conn, ctx := p.docent(tb), p.bare(tb), tb.Context()
	node := target(tb, p, conn)
	return contest{
		docent: spread(callers, func() error {
			_, err := cli.Set(ctx, node, payload, framework.AnyVersion)
			return err
		}),
		bare: spread(callers, func() error {
			_, err := conn.Set(p.root+node, payload, -1)
			return err
		}),
	}
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
