package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Coverage counts what was played: how often each option met each kind of fault.
type Coverage struct {
	mu     sync.Mutex
	plays  int
	faults int
	time   time.Duration
	pairs  map[string]map[string]int // plays, by option and kind of fault
	grants map[string]int            // by role
}

// Add counts a play that is over.
func (c *Coverage) Add(p *Play) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pairs == nil {
		c.pairs, c.grants = make(map[string]map[string]int), make(map[string]int)
	}
	c.plays++
	c.faults += len(p.Faults)
	c.time += p.ended
	for option := range p.options {
		if c.pairs[option] == nil {
			c.pairs[option] = make(map[string]int)
		}
		kinds := make(map[string]bool)
		for _, f := range p.Faults {
			kinds[f.Kind] = true
		}
		for kind := range kinds {
			c.pairs[option][kind]++
		}
	}
	for i, part := range p.parts {
		c.grants[p.Roles[i]] += part.grants()
	}
}

// Missing lists the pairs of an option and a kind of fault that were never played.
func (c *Coverage) Missing() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, option := range slices.Sorted(maps.Keys(c.pairs)) {
		for _, k := range faultKinds {
			if c.pairs[option][k.name] == 0 {
				list = append(list, option+" x "+k.name)
			}
		}
	}
	return list
}

// String says how much was played, and how often each pair.
func (c *Coverage) String() string {
	missing := c.Missing()
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d schedules, %d faults, %.1f simulated hours\ngrants: %v\n", c.plays, c.faults, c.time.Hours(), c.grants)
	for i, k := range faultKinds {
		fmt.Fprintf(&b, "%2d %s\n", i, k.name)
	}
	for _, option := range slices.Sorted(maps.Keys(c.pairs)) {
		fmt.Fprintf(&b, "%-50s", option)
		for _, k := range faultKinds {
			fmt.Fprintf(&b, " %4d", c.pairs[option][k.name])
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d pairs were never played", len(missing))
	return b.String()
}
