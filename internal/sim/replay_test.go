package sim

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// A seed tells the same story again, to the nanosecond. Black holes always do. Of plays about two in three do, and hardly any
// under the race detector, which shuffles goroutines that are ready: see the package comment.
func TestSeedsReplay(t *testing.T) {
	const seeds, told = 12, 4
	same := func(seeds uint64, tell func(seed uint64) string) (n int) {
		for seed := uint64(1); seed <= seeds; seed++ {
			var stories [2]string
			for i := range stories {
				bubble(t, func(*testing.T) { stories[i] = tell(seed) })
			}
			if stories[0] == stories[1] {
				n++
			}
		}
		return n
	}
	blackouts := same(seeds, func(seed uint64) string {
		o, err := DrawBlackout(seed).Run(nil)
		return fmt.Sprint(o, err)
	})
	plays := same(told, func(seed uint64) string {
		p := DrawPlay(seed)
		story := fmt.Sprint(p, p.Run(nil))
		for _, dir := range p.w.Log.dirNames() {
			story += fmt.Sprint(p.w.Log.Dir(dir))
		}
		return story
	})
	t.Logf("of %d black holes %d, of %d plays %d", seeds, blackouts, told, plays)
	assert.Equal(t, seeds, blackouts)
}
