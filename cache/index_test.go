package cache

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// thing is a value that counts as n nodes.
type thing struct{ n int }

func (t *thing) count() int { return t.n }

// check holds an index against a map.
func check(t *testing.T, want map[string]*thing, x index[*thing]) {
	t.Helper()
	var names []string
	total := 0
	x.each(func(name string, v *thing) bool {
		names = append(names, name)
		require.Same(t, want[name], v)
		return true
	})
	for name, v := range want {
		require.Same(t, v, x.get(name))
		total += v.n
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), names)
	require.Equal(t, total, x.count())
	require.Nil(t, x.get("missing"))
}

func TestIndexIsAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var x index[*thing]
	want := map[string]*thing{}
	type version struct {
		want map[string]*thing
		x    index[*thing]
	}
	var versions []version
	for i := range 1500 {
		name := fmt.Sprint(rnd.IntN(200))
		if rnd.IntN(3) == 0 {
			delete(want, name)
			x = x.without(name)
		} else {
			want[name] = &thing{1 + rnd.IntN(3)}
			x = x.with(name, want[name])
		}
		if i%100 == 0 {
			check(t, want, x)
			versions = append(versions, version{maps.Clone(want), x})
		}
	}
	for _, v := range versions {
		check(t, v.want, v.x) // none was changed by those that came later
	}
	for _, old := range versions {
		for _, now := range versions {
			compare(t, old.want, now.want, old.x, now.x)
		}
	}
}

// compare holds a difference against that of two maps.
func compare(t *testing.T, old, now map[string]*thing, x, y index[*thing]) {
	t.Helper()
	union := maps.Clone(old)
	maps.Copy(union, now)
	names := slices.Sorted(maps.Keys(union))
	names = slices.DeleteFunc(names, func(name string) bool { return old[name] == now[name] })
	difference(x, y, func(a, b *thing) bool {
		require.NotEmpty(t, names)
		require.Equal(t, old[names[0]], a)
		require.Equal(t, now[names[0]], b)
		names = names[1:]
		return true
	})
	require.Empty(t, names)
}

// The shape depends on the names only, so that indexes share what they have in common.
func TestIndexesShare(t *testing.T) {
	one := &thing{1}
	var x, y index[*thing]
	for i := range 1000 {
		x = x.with(fmt.Sprint(i), one)
		y = y.with(fmt.Sprint(999-i), one)
	}
	var same func(a, b *branch[*thing]) bool
	same = func(a, b *branch[*thing]) bool {
		return a == b || a != nil && b != nil && a.name == b.name && same(a.left, b.left) && same(a.right, b.right)
	}
	assert.True(t, same(x.root, y.root))
	assert.Equal(t, x, x.without("missing"), "nothing is copied for nothing")
	looked := 0
	difference(x, x.with("500", &thing{2}), func(_, _ *thing) bool {
		looked++
		return true
	})
	assert.Equal(t, 1, looked)
	assert.False(t, x.each(func(string, *thing) bool { return false }))
	assert.False(t, difference(x, index[*thing]{}, func(_, _ *thing) bool { return false }))
}

// One change in a directory of 100,000 copies some dozens of names.
func TestAChangeCopiesLittle(t *testing.T) {
	var x index[*thing]
	for i := range 100_000 {
		x = x.put(fmt.Sprint(i), &thing{1}, 1)
	}
	v := &thing{1}
	i := 0
	allocs := testing.AllocsPerRun(1000, func() {
		i += 97
		x.with(fmt.Sprint(i%100_000), v)
	})
	assert.Less(t, allocs, 40.0)
}

// Within an edition branches are changed in place, and never those that were shown before it began.
func TestWhatWasShownDoesNotChange(t *testing.T) {
	type shown struct {
		index index[*thing]
		want  map[string]*thing
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var x index[*thing]
	var all []shown
	have, by := map[string]*thing{}, edition(1)
	for range 20_000 {
		name := fmt.Sprint(rnd.IntN(300))
		switch rnd.IntN(20) {
		case 0:
			all = append(all, shown{x, maps.Clone(have)})
			by++
		case 1, 2, 3:
			x = x.without(name)
			delete(have, name)
		default:
			have[name] = &thing{1}
			x = x.put(name, have[name], by)
		}
	}
	for _, s := range all {
		require.Equal(t, len(s.want), s.index.count())
		s.index.each(func(name string, v *thing) bool { return assert.Same(t, s.want[name], v, name) })
	}
}

// The same is so of entries.
func TestEntriesThatWereShownDoNotChange(t *testing.T) {
	var root *entry
	var all []*entry
	var want []string
	names := func(e *entry) string {
		var list []string
		e.walk(func(e *entry) bool {
			list = append(list, fmt.Sprint(e.node.Path, e.count()))
			return true
		})
		return strings.Join(list, " ")
	}
	rnd, by := rand.New(rand.NewPCG(3, 4)), edition(1)
	for range 3000 {
		path := strings.Repeat("a/", rnd.IntN(4)) + fmt.Sprint(rnd.IntN(9))
		if rnd.IntN(4) == 0 {
			path = strings.Repeat("/a", rnd.IntN(4))
			path = strings.TrimPrefix(path, "/")
		}
		var now *entry
		if rnd.IntN(10) > 0 {
			now = &entry{node: framework.Node{Path: "/" + path}}
		}
		root = root.edit(path, by, func(old *entry) *entry {
			if old != nil && now != nil {
				now.kids = old.kids
			}
			return now
		})
		if rnd.IntN(5) == 0 {
			by++
			all, want = append(all, root), append(want, names(root))
		}
	}
	for i, e := range all {
		require.Equal(t, want[i], names(e))
		n := 0
		e.walk(func(*entry) bool { n++; return true })
		require.Equal(t, n, e.count())
	}
}
