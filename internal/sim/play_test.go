package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
)

var oneRole = flag.String("sim.roles", "", "roles that every play of TestPlay has, separated by commas; each draws its own if empty")

// Recipes under random faults, beside each other.
func TestPlay(t *testing.T) {
	var roles []string
	if *oneRole != "" {
		roles = strings.Split(*oneRole, ",")
	}
	var coverage Coverage
	eachSeed(t, 80, func(seed uint64, trace func(string)) error {
		p := DrawPlay(seed, roles...)
		if trace != nil {
			trace(p.String())
		}
		err := p.Run(trace)
		coverage.Add(p)
		if err != nil {
			return fmt.Errorf("%v\n%w", p, err)
		}
		return nil
	})
	t.Log(coverage.String())
}
