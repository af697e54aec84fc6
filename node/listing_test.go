package node_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/node"
)

func TestListedAs(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		for _, opts := range [][]node.Option{nil, {node.ListedAs("beacon", slog.Int("of", 7))}} {
			k, err := node.Keep(t.Context(), cli, "/a/b", nil, opts...)
			require.NoError(t, err)
			synctest.Wait()
			r := cli.Recipes()[0]
			want := "node /a/b standing []"
			if opts != nil {
				want = "beacon /a/b standing [of=7]"
			}
			assert.Equal(t, want, fmt.Sprint(r.Name, " ", r.Path, " ", r.Status.State, " ", r.Attrs))
			require.NoError(t, k.Close(t.Context()))
		}
		k, err := node.Join(t.Context(), cli, "/group", "one", nil)
		require.NoError(t, err)
		assert.Equal(t, "group member", cli.Recipes()[0].Name)
		require.NoError(t, k.Close(t.Context()))
	})
}
