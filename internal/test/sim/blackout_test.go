package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// The end of the old holder against the beginning of the next one, over many black holes.
func TestBlackout(t *testing.T) {
	var all []Outcome
	eachSeed(t, 200, func(seed uint64, trace func(string)) error {
		story := DrawBlackout(seed)
		o, err := story.Run(trace)
		if err == nil {
			err = o.Judge()
			all = append(all, o)
		}
		if err != nil {
			return fmt.Errorf("%v:\n%w", story, err)
		}
		return nil
	})
	for _, hold := range []bool{true, false} {
		var gaps []float64
		for _, o := range all {
			if o.Hold == hold {
				gaps = append(gaps, float64(o.Gap())/float64(o.Timeout))
			}
		}
		t.Logf("time in which nobody holds, in session timeouts, with %s:\n%s",
			map[bool]string{true: "Hold", false: "Cancel"}[hold], histogram(gaps))
	}
}

// Rules that other clients follow: when a holder under such a rule would have stopped.
var rules = map[string]func(Outcome) time.Duration{
	// Curator counts the session timeout from the moment at which it notices that the connection is gone.
	"from the notice of the break": func(o Outcome) time.Duration { return o.Noticed + o.Timeout },
	// go-zookeeper waits until a server says that the session has expired, and no server can be reached.
	"when the server says so": func(o Outcome) time.Duration { return o.Healed },
	// An obvious mistake: the server may have got the request long before its answer came.
	"from the answer": func(o Outcome) time.Duration { return o.Received + o.Timeout },
}

// The same runs under those rules: the harness must see two holders.
func TestBlackoutSeesWhatOtherRulesDo(t *testing.T) {
	seen := map[string]int{}
	worst := map[string]time.Duration{}
	const runs = 100
	eachSeed(t, runs, func(seed uint64, _ func(string)) error {
		o, err := DrawBlackout(seed).Run(nil)
		if err != nil {
			return err
		}
		for name, rule := range rules {
			broken := o
			broken.Over = rule(o)
			if broken.Gap() < 0 {
				seen[name]++
				worst[name] = max(worst[name], -broken.Gap())
				if broken.Judge() == nil {
					return fmt.Errorf("%s: two hold for %v, and the judge sees nothing", name, -broken.Gap())
				}
			}
		}
		return nil
	})
	for name := range rules {
		t.Logf("%s: two holders in %d of %d runs, for up to %v", name, seen[name], runs, worst[name])
		assert.Positive(t, seen[name], name)
	}
}

// histogram draws a distribution.
func histogram(values []float64) string {
	if len(values) == 0 {
		return "nothing"
	}
	slices.Sort(values)
	at := func(q float64) float64 { return values[int(q*float64(len(values)-1))] }
	var b strings.Builder
	fmt.Fprintf(&b, "n %d, min %.3f, p50 %.3f, p95 %.3f, max %.3f\n", len(values), at(0), at(.5), at(.95), at(1))
	const width = 0.1
	counts := map[int]int{}
	most := 0
	for _, v := range values {
		counts[int(v/width)]++
		most = max(most, counts[int(v/width)])
	}
	for i := 0; i <= int(at(1)/width); i++ {
		fmt.Fprintf(&b, "  %.1f %4d %s\n", float64(i)*width, counts[i], strings.Repeat("#", (counts[i]*50+most-1)/most))
	}
	return b.String()
}
