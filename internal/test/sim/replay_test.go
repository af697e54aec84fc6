package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A seed tells the same story again, to the nanosecond. Black holes always do, and plays nearly always. Hardly any do under the race
// detector, which shuffles goroutines that are ready: see the package comment. With -sim.seeds n that many plays are told twice, and the
// first line that differs is shown of each that does not repeat itself.
func TestSeedsReplay(t *testing.T) {
	const seedsOfBlackouts, toldPlays = 12, 4
	told := uint64(toldPlays)
	if *seeds != 0 {
		told = *seeds
	}
	blackouts, plays := 0, 0
	for seed := uint64(1); seed <= seedsOfBlackouts; seed++ {
		var stories [2]string
		for i := range stories {
			bubble(t, func(*testing.T) {
				o, err := DrawBlackout(seed).Run(nil)
				stories[i] = fmt.Sprint(o, err)
			})
		}
		if stories[0] == stories[1] {
			blackouts++
		}
	}
	for seed := *from; seed < *from+told; seed++ {
		first, second := tellPlay(t, seed), tellPlay(t, seed)
		if first.digest == second.digest {
			plays++
		} else if *seeds != 0 {
			t.Logf("seed %d: %s", seed, firstDifference(first.lines, second.lines))
		}
	}
	t.Logf("of %d black holes %d, of %d plays %d", seedsOfBlackouts, blackouts, told, plays)
	assert.Equal(t, seedsOfBlackouts, blackouts)
}

// story is what a server has done and seen in a play.
type story struct {
	lines  []string
	digest uint64
}

func tellPlay(t *testing.T, seed uint64) (s story) {
	sum := fnv.New64a()
	var mu sync.Mutex // lines come from the server and from the play
	bubble(t, func(*testing.T) {
		p := DrawPlay(seed, wantedRoles()...)
		err := p.Run(func(line string) {
			mu.Lock()
			defer mu.Unlock()
			s.lines = append(s.lines, line)
			_, _ = io.WriteString(sum, line)
		})
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.WriteString(sum, fmt.Sprint(err))
	})
	s.digest = sum.Sum64()
	return s
}

// firstDifference shows where two stories part.
func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d of %d and %d:\n%s\n%s\nbehind %s", i, len(a), len(b), a[i], b[i], a[max(0, i-1)])
		}
	}
	return fmt.Sprintf("%d lines and %d, the same until then", len(a), len(b))
}
