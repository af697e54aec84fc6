package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Coverage counts what was played: how often each option met each kind of fault. It can be written as JSON, and added up.
type Coverage struct {
	Plays  int                       `json:"plays"`
	Faults int                       `json:"faults"`
	Time   time.Duration             `json:"time"`   // by the clocks of the plays
	Pairs  map[string]map[string]int `json:"pairs"`  // plays, by option and kind of fault
	Grants map[string]int            `json:"grants"` // what everybody got, by role

	mu sync.Mutex
}

// Add counts a play that is over.
func (c *Coverage) Add(p *Play) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Plays++
	c.Faults += len(p.Faults)
	c.Time += p.ended
	kinds := make(map[string]bool)
	for _, f := range p.Faults {
		kinds[f.Kind] = true
	}
	for option := range p.options {
		for kind := range kinds {
			c.count(option, kind, 1)
		}
	}
	for i, part := range p.parts {
		c.grant(p.Roles[i], part.grants())
	}
}

func (c *Coverage) count(option, kind string, n int) {
	if c.Pairs == nil {
		c.Pairs = make(map[string]map[string]int)
	}
	if c.Pairs[option] == nil {
		c.Pairs[option] = make(map[string]int)
	}
	c.Pairs[option][kind] += n
}

func (c *Coverage) grant(role string, n int) {
	if c.Grants == nil {
		c.Grants = make(map[string]int)
	}
	c.Grants[role] += n
}

// Merge adds what was counted elsewhere.
func (c *Coverage) Merge(other *Coverage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Plays += other.Plays
	c.Faults += other.Faults
	c.Time += other.Time
	for option, kinds := range other.Pairs {
		for kind, n := range kinds {
			c.count(option, kind, n)
		}
	}
	for role, n := range other.Grants {
		c.grant(role, n)
	}
}

// Missing lists the pairs of an option and a kind of fault that were never played.
func (c *Coverage) Missing(roles ...string) []pair {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(pairs(roles...), func(p pair) bool { return c.Pairs[p.role+" "+p.option][p.kind] > 0 })
}

// Summary says in one line how much was played.
func (c *Coverage) Summary() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d schedules, %d faults, %.1f simulated hours, %d options x %d kinds of fault",
		c.Plays, c.Faults, c.Time.Hours(), len(pairs())/len(faultKinds), len(faultKinds))
}

// String says how much was played, and how often each pair.
func (c *Coverage) String() string {
	missing := c.Missing()
	var b strings.Builder
	fmt.Fprintln(&b, c.Summary())
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(&b, "granted: %v\n", c.Grants)
	for i, k := range faultKinds {
		fmt.Fprintf(&b, "%2d %s\n", i, k.name)
	}
	for _, option := range slices.Sorted(maps.Keys(c.Pairs)) {
		fmt.Fprintf(&b, "%-50s", option)
		for _, k := range faultKinds {
			fmt.Fprintf(&b, " %4d", c.Pairs[option][k.name])
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d of %d pairs were never played", len(missing), len(pairs()))
	return b.String()
}

// meet makes sure that a fault of the kind that the play is about is among its faults.
func (p *Play) meet(kind string, draw func(k faultKind) Fault) {
	if slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == kind }) {
		return
	}
	p.Faults = append(p.Faults, draw(faultKinds[kindNumber(kind)]))
	slices.SortFunc(p.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}
