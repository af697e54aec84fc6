package recipes_test

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

// serves are what the reactions mean for what mirrors the servers.
var serves = map[framework.Reaction]string{
	framework.Hold:    "serves what it has, marked stale",
	framework.Rebuild: "the same, until it is complete again in the next session; reports the exact difference",
	framework.Serve:   "the same, marked stale; loads from the read-only server if it has no content yet",
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

func registration() recipe {
	return recipe{"registration of a service", stays, always((&discovery.Registration[any]{}).Policy(), func(s *stage) work {
		var r *discovery.Registration[any]
		return work{
			begin: func() {
				var err error
				r, err = discovery.New[any](s.cli, path).Register(s.Context(), discovery.Instance[any]{Name: "orders", ID: "subject", Address: "h", Port: 1})
				require.NoError(s, err)
			},
			ends: func() []error { return nil },
			stands: func() bool {
				return s.owned(path+"/orders") == 1 && r.Standing().Stands
			},
		}
	})}
}

// serviceView registers and removes an instance and looks whether the view has it. It runs in a bubble.
func serviceView() recipe {
	return recipe{"view of a service", serves, always((&cache.Children{}).Policy(), func(s *stage) work {
		var view *discovery.Service[any]
		shows := func(id string) bool {
			time.Sleep(time.Second)
			return view.StaleSince().IsZero() && slices.ContainsFunc(slices.Collect(view.Instances()),
				func(e *discovery.Endpoint[any]) bool { return e.ID == id })
		}
		n := 0
		return work{
			begin: func() {
				var err error
				view, err = discovery.New[any](s.cli, path).Open(s.Context(), "orders")
				require.NoError(s, err)
				require.Equal(s, (&cache.Children{}).Policy(), view.Policy(), "it stands on a cache")
			},
			ends: func() []error { return nil },
			stands: func() bool {
				n++
				in := discovery.Instance[any]{Name: "orders", ID: strconv.Itoa(n), Address: "h", Port: 1}
				r, err := discovery.New[any](s.other, path).Register(s.Context(), in)
				require.NoError(s, err)
				came := shows(in.ID)
				require.NoError(s, r.Close(context.Background()))
				return came && !shows(in.ID)
			},
		}
	})}
}
