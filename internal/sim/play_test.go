package sim

import (
	"fmt"
	"testing"
)

// Locks and an election under random faults.
func TestPlay(t *testing.T) {
	grants, plays := 0, 0
	eachSeed(t, 200, func(seed uint64, trace func(string)) error {
		p := DrawPlay(seed)
		if trace != nil {
			trace(p.String())
		}
		err := p.Run(trace)
		grants += p.Grants()
		plays++
		if err != nil {
			return fmt.Errorf("%v\n%w", p, err)
		}
		return nil
	})
	t.Logf("%d plays, %d grants", plays, grants)
}
