package recipes_test

import (
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// serves are what the reactions mean for what mirrors the servers.
var serves = map[framework.Reaction]string{
	framework.Hold:    "serves what it has, marked stale",
	framework.Rebuild: "the same, until it is complete again in the next session; reports the exact difference",
}

// cached changes a node and looks whether the cache has it. It runs in a bubble.
func cached() recipe {
	return recipe{"cache", serves, always((&cache.Tree{}).Policy(), func(s *stage) work {
		var tree *cache.Tree
		n := 0
		return work{
			begin: func() {
				var err error
				tree, err = cache.Open(s.Context(), s.cli, path)
				require.NoError(s, err)
				_, err = s.other.Create(s.Context(), path, nil, framework.Parents)
				require.NoError(s, err)
			},
			ends: func() []error { return nil },
			stands: func() bool {
				n++
				_, err := s.other.Set(s.Context(), path, []byte(strconv.Itoa(n)), framework.AnyVersion)
				require.NoError(s, err)
				time.Sleep(time.Second)
				node, ok := tree.Get(path)
				return ok && string(node.Data) == strconv.Itoa(n) && tree.StaleSince().IsZero()
			},
		}
	})}
}
