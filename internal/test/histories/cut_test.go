package histories

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/test/sim"
)

// brief is a short play of two clients, with the connection cut at one frame and no other trouble.
func brief(c sim.Cutting, run func(p Play) error) (history []porcupine.Operation, frames int, err error) {
	ground, err := NewSimulated(1, 2, timeout, nil)
	if err != nil {
		return nil, 0, err
	}
	cutter := ground.World().NewCutter(c)
	p := Play{Ground: ground, Seed: 4, Timeout: timeout, Length: timeout, Trouble: Trouble{}, Rounds: 2, Late: 1, History: NewRecorder()}
	err = run(p)
	return p.History.History(), len(cutter.Frames()), errors.Join(err, ground.Close())
}

// someCuts is how many places and ways to cut there are for each that is tried by default. It is prime to the number of ways, so
// that all of them come up.
const someCuts = 7

// The connection is cut at every frame of a run (at a sample of them without -histories.allcuts): before the request is
// processed, behind it, before the answer and behind it.
func TestCutAtEveryFrame(t *testing.T) {
	for name, c := range map[string]struct {
		model porcupine.Model
		run   func(p Play) error
	}{
		"mutex":   {Locks, func(p Play) error { return (&LockPlay{Play: p}).Run() }},
		"counter": {Counting(0, -1), func(p Play) error { return (&CountPlay{Play: p, Anew: true}).Run() }},
	} {
		t.Run(name, func(t *testing.T) {
			var frames, checked int
			play := func(cutting sim.Cutting) (history []porcupine.Operation, err error) {
				synctest.Test(t, func(*testing.T) { history, frames, err = brief(cutting, c.run) })
				return history, err
			}
			_, err := play(sim.Cutting{At: -1})
			require.NoError(t, err)
			made := 0
			for i, cutting := range sim.Cuttings(frames, 0, 2*time.Second, 2*timeout) {
				if !*allCuts && i%someCuts > 0 || testing.Short() && i%5 > 0 {
					continue
				}
				made++
				history, err := play(cutting)
				require.NoError(t, err, "%v", cutting)
				assert.NoError(t, Judge(c.model, history, t.Name()), "%v", cutting)
				checked += len(history)
			}
			t.Logf("%d places and ways to cut, %d operations checked", made, checked)
		})
	}
}
