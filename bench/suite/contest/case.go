package contest

import (
	"context"
	"maps"
	"math"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// The peers' names. That of docent of another checkout begins with Docent and an @.
const (
	Docent  = "docent"
	GoZK    = "go-zookeeper"
	Curator = "Curator"
	Kazoo   = "kazoo"
	Etcd    = "etcd"
	Loader  = "loader" // alone, without a follower
)

// Metric is a figure of a turn.
type Metric struct {
	Name string `json:"name"`
	Unit string `json:"unit"`
	// More says that a larger figure is the better one.
	More bool `json:"more,omitempty"`
	// Aims are what docent's figure divided by a peer's is to be at most, or at least if More.
	Aims map[string]float64 `json:"aims,omitempty"`
	// Most is what docent's own figure is to be at most; 0 for no such aim.
	Most float64 `json:"most,omitempty"`
	// Exponent is what docent's exponent is to be at most where the size grows; 0 for no such aim.
	Exponent float64 `json:"exponent,omitempty"`

	of func(line.Answer) float64
}

// Of returns the figure of an answer, NaN if it has none.
func (m Metric) Of(a line.Answer) float64 { return m.of(a) }

func (m Metric) aim(aims map[string]float64) Metric {
	m.Aims = aims
	return m
}

func (m Metric) most(most float64) Metric {
	m.Most = most
	return m
}

func (m Metric) exponent(exponent float64) Metric {
	m.Exponent = exponent
	return m
}

// The metrics that most cases have.
var (
	typical = Metric{Name: "p50", Unit: "us", of: func(a line.Answer) float64 { return Median(a.SamplesUS) }}
	rate    = Metric{Name: "rate", Unit: "/s", More: true, of: func(a line.Answer) float64 {
		return float64(a.Ops) / a.ElapsedUS * 1e6
	}}
	processor = Metric{Name: "CPU", Unit: "us", of: func(a line.Answer) float64 {
		if a.Ops == 0 || a.CPUUS == 0 {
			return math.NaN()
		}
		return a.CPUUS / float64(a.Ops)
	}}
)

// value is a metric that the peer, or what drives it, has put among the values.
func value(name, key, unit string) Metric {
	return Metric{Name: name, Unit: unit, of: func(a line.Answer) float64 {
		v, ok := a.Values[key]
		if !ok {
			return math.NaN()
		}
		return v
	}}
}

// Case is one workload.
type Case struct {
	ID    string
	Title string
	// Peers are those that can take part, and what they do it with.
	Peers []Entrant
	// Work is the name of the workload in the protocol.
	Work string
	// Args are those of prepare and of every run.
	Args line.Args
	// Unit says that a turn is one unit of work, however long it takes.
	Unit    bool
	Metrics []Metric
	// Conditions are the names of those that make a difference.
	Conditions []string
	// Shared says that the tree is only read, so that one is enough for all seats, cases and turns.
	Shared bool
	// Relayed gives each seat a relay.
	Relayed bool
	// Gentle says that the case may be run against servers that others use.
	Gentle bool
	// Quick leaves a case out of the quick run if it is false.
	Quick bool
	// Small are arguments of the quick run, in place of those of Args, and SmallTitle is its title then.
	Small      line.Args
	SmallTitle string

	setup func(ctx context.Context, s *seat) error // makes what the work needs; nil if it needs nothing
	drive driver                                   // nil for a plain run
}

// Entrant is a peer in a case.
type Entrant struct {
	Peer string
	With string    // what it does the work with, as zk.Lock
	Args line.Args // in addition to those of the case
}

// driver takes one turn.
type driver func(ctx context.Context, s *seat, d time.Duration) (line.Answer, error)

// plain has the peer run for the time of a slice.
func plain(ctx context.Context, s *seat, d time.Duration) (line.Answer, error) {
	if s.cas.Unit {
		d = 0
	}
	return s.run(ctx, d, nil)
}

func (c *Case) driver() driver {
	if c.drive == nil {
		return plain
	}
	return c.drive
}

// Quickly returns the case as the quick run has it.
func (c *Case) Quickly() *Case {
	small := *c
	if c.SmallTitle != "" {
		small.Title = c.SmallTitle
	}
	small.Args = maps.Clone(c.Args)
	maps.Copy(small.Args, c.Small)
	return &small
}

// Gently returns the case as it is run against servers that others use: with small trees, and with pauses between operations
// that write.
func (c *Case) Gently() *Case {
	gentle := *c
	gentle.Args = c.Args.With("pause", "20ms")
	if _, ok := gentle.Args["count"]; ok {
		gentle.Args["count"], gentle.Title = "500", "a cache of 500 nodes is opened"
	}
	return &gentle
}
