package discovery

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// model is a roster as a map.
type model map[string]*Endpoint[int]

func (m model) list() []*Endpoint[int] {
	var all []*Endpoint[int]
	for _, e := range m {
		all = append(all, e)
	}
	slices.SortFunc(all, byKey)
	return all
}

func endpoint(i int) *Endpoint[int] {
	return &Endpoint[int]{Candidate: Candidate{key: fmt.Sprintf("%05d", i)}}
}

// verify reports what is wrong with a chunk, and returns how deep it is.
func verify(t *testing.T, c *chunk[int]) int {
	t.Helper()
	if c.kids == nil {
		require.NotEmpty(t, c.items)
		require.LessOrEqual(t, len(c.items), maxItems)
		require.Equal(t, c.low, c.items[0].key)
		return 0
	}
	require.Empty(t, c.items)
	require.LessOrEqual(t, len(c.kids), maxKids)
	n, depth := 0, verify(t, c.kids[0])
	require.Equal(t, c.low, c.kids[0].low)
	for i, kid := range c.kids {
		if n += kid.count(); n != c.ends[i] || depth != verify(t, kid) {
			require.Fail(t, "a chunk counts wrongly, or leaves are not equally deep")
		}
	}
	return depth + 1
}

// agree compares a roster with the model.
func agree(t *testing.T, want model, r roster[int]) {
	t.Helper()
	if r.root != nil {
		verify(t, r.root)
	}
	all := want.list()
	require.Equal(t, len(all), r.count())
	require.True(t, slices.Equal(all, slices.Collect(r.all())))
	for i := 0; i < len(all); i += 1 + len(all)/20 {
		require.Same(t, all[i], r.at(i))
		require.Same(t, all[i], r.get(all[i].key))
	}
}

// change is one difference.
type change struct{ before, after *Endpoint[int] }

func (c change) key() string { return cmp.Or(c.before, c.after).key }

// changes is how one list becomes another, in the order of keys.
func changes(old, now model) []change {
	var all []change
	for key, e := range now {
		if old[key] != e {
			all = append(all, change{old[key], e})
		}
	}
	for key, e := range old {
		if now[key] == nil {
			all = append(all, change{e, nil})
		}
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Compare(a.key(), b.key()) })
	return all
}

// compared is the same, as compare tells it.
func compared(old, now roster[int]) []change {
	var all []change
	compare(old, now, func(before, after *Endpoint[int]) bool {
		all = append(all, change{before, after})
		return true
	})
	return all
}

// play makes n random changes: the more of them, out of 10, add or replace an Endpoint, and the others remove one.
func play(rnd *rand.Rand, known model, r roster[int], keys, n, more int) roster[int] {
	for range n {
		e := endpoint(rnd.IntN(keys))
		if rnd.IntN(10) < more {
			r = r.with(e)
			known[e.key] = e
		} else {
			r = r.without(e.key)
			delete(known, e.key)
		}
	}
	return r
}

// A roster holds what a map holds to which the same was done, one chunk or three levels; and one that another was made from holds what
// it held.
func TestRosterAgreesWithAMap(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 200, 3000, 20_000} {
		known := model{}
		for i := range size {
			e := endpoint(i)
			known[e.key] = e
		}
		r := newRoster(known.list())
		for _, more := range []int{9, 5, 1} {
			for _, n := range []int{1, 20, 1000} {
				old, before := maps.Clone(known), r
				r = play(rnd, known, r, size+500, n, more)
				agree(t, known, r)
				require.True(t, slices.Equal(old.list(), slices.Collect(before.all())))
				require.Equal(t, changes(old, known), compared(before, r))
				require.Len(t, compared(r, before), len(changes(known, old)))
			}
		}
	}
}

// Removals join chunks, until nothing is left.
func TestRosterShrinks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	known := model{}
	for i := range 20_000 {
		e := endpoint(i)
		known[e.key] = e
	}
	r := newRoster(known.list())
	for i, n := range rnd.Perm(20_000) {
		key := endpoint(n).key
		r = r.without(key)
		delete(known, key)
		if i == 19_000 {
			agree(t, known, r)
			assert.Less(t, len(r.root.kids), 20)
		}
	}
	assert.Nil(t, r.root)
	assert.Equal(t, roster[int]{}, r.without("a"))
}

func TestRosterIsMadeAtOnce(t *testing.T) {
	for _, n := range []int{0, 1, maxItems, maxItems + 1, 3 * maxItems, 20_000} {
		known := model{}
		for i := range n {
			e := endpoint(i)
			known[e.key] = e
		}
		agree(t, known, newRoster(known.list()))
	}
}

func TestRostersShareWhatDoesNotDiffer(t *testing.T) {
	known := model{}
	for i := range 20_000 {
		e := endpoint(2 * i)
		known[e.key] = e
	}
	r := newRoster(known.list())
	assert.Equal(t, r, r.with(r.at(5)), "nothing changes")
	assert.Equal(t, r, r.without("none"))
	now := r.with(endpoint(20_001))
	kids, shared := map[*chunk[int]]bool{}, 0
	for c := range r.root.kids {
		kids[r.root.kids[c]] = true
	}
	for _, c := range now.root.kids {
		if kids[c] {
			shared++
		}
	}
	assert.GreaterOrEqual(t, shared, len(now.root.kids)-2)
	assert.Len(t, compared(r, now), 1)
	assert.False(t, r.same(now))
	assert.True(t, r.same(now.without(endpoint(20_001).key)))
}

// A pool counts its weights, whatever is put into it in place of what.
func TestPoolCountsWeights(t *testing.T) {
	heavy := func(i int) *Endpoint[int] {
		e := endpoint(i)
		e.weight = 2
		return e
	}
	p := newPool([]*Endpoint[int]{endpoint(1), heavy(2)})
	assert.Equal(t, 1, p.weighty)
	p.put(heavy(1))
	p.put(heavy(3))
	p.put(endpoint(2))
	p.drop("none")
	assert.Equal(t, 2, p.weighty)
	p.drop(endpoint(3).key)
	assert.Equal(t, 1, p.weighty)
	assert.Equal(t, 2, p.count())
}
