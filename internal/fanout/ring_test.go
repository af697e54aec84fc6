package fanout

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A ring does what a slice does, whatever the order of calls.
func TestRingBehavesLikeASlice(t *testing.T) {
	for seed := range uint64(50) {
		source := rand.New(rand.NewPCG(seed, 0))
		var r ring[int]
		var model []int
		for i := range 2000 {
			// Phases of growth and of decline, to cross every capacity.
			growing := (i/200)%2 == 0
			if len(model) == 0 || source.IntN(3) > 0 == growing {
				r.push(i)
				model = append(model, i)
			} else {
				require.Equal(t, model[0], r.pop(), "seed %d, step %d", seed, i)
				model = model[1:]
			}
			require.Equal(t, len(model), r.count)
		}
		for _, want := range model {
			require.Equal(t, want, r.pop())
		}
	}
}

func TestRingGivesMemoryBack(t *testing.T) {
	var r ring[int]
	for i := range 100_000 {
		r.push(i)
	}
	for r.count > 0 {
		r.pop()
		if c := len(r.items); c > minRing {
			require.Greater(t, 4*r.count, c/2, "capacity %d for %d items", c, r.count)
		}
	}
	assert.Len(t, r.items, minRing)
}

// Alternating at a boundary must not copy everything every time.
func TestRingDoesNotThrash(t *testing.T) {
	for size := range 200 {
		var r ring[int]
		for i := range size {
			r.push(i)
		}
		r.push(0)
		r.pop()
		assert.Zero(t, testing.AllocsPerRun(10, func() {
			r.push(0)
			r.pop()
		}), "at %d items", size)
	}
}

func TestRingForgetsWhatItGaveAway(t *testing.T) {
	var r ring[*[64]byte]
	var seen []weak.Pointer[[64]byte]
	for range 20 {
		p := new([64]byte)
		seen = append(seen, weak.Make(p))
		r.push(p)
	}
	for range 19 {
		r.pop()
	}
	runtime.GC()
	for i, w := range seen[:19] {
		assert.Nil(t, w.Value(), "item %d is still referenced", i)
	}
	assert.NotNil(t, seen[19].Value())
	runtime.KeepAlive(&r)
}
