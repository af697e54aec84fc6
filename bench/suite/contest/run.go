package contest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Plan says how long to
type Plan struct {
	Rounds int           // of slices
	Units  int           // of units of work
	Slice  time.Duration // of one turn
	// Warm is how long a seat works before its turns count, and WarmJIT the same for a peer that is compiled while it works.
	// Both are one turn at least.
	Warm, WarmJIT time.Duration
	// Share is the time of a seat in a case. A seat that has used it up takes no more turns, once it has taken Least.
	Share time.Duration
	Least int
}

// rounds is how many turns a seat takes if it is quick enough.
func (p Plan) rounds(c *Case) int {
	if c.Unit {
		return p.Units
	}
	return p.Rounds
}

// Estimate is the time that a case takes with so many seats: the usual, and the most. A unit of work has no length that is
// known; it is taken to use half of its share.
func (p Plan) Estimate(c *Case, seats int) (usual, most time.Duration) {
	n := time.Duration(seats)
	share := max(p.Share, time.Duration(p.Least)*p.Slice)
	if c.Unit {
		return n * share / 2, n * share
	}
	slices := time.Duration(p.Rounds) * p.Slice
	return n*(p.Warm+slices) + p.WarmJIT, n * (p.WarmJIT + max(share, slices))
}

// Turn is what a seat has done in one round.
type Turn struct {
	Round  int         `json:"round"`
	Order  int         `json:"order"` // 0 for the first in this round
	Answer line.Answer `json:"answer"`
}

// Side is what a seat has given in a case.
type Side struct {
	Peer  string `json:"peer"`
	With  string `json:"with"`
	Error string `json:"error,omitempty"` // why there are no figures, or why they must not be used
	Turns []Turn `json:"turns,omitempty"`
}

// Figures returns a metric of all turns, in the order of rounds.
func (s Side) Figures(m Metric) []float64 {
	var all []float64
	for _, t := range s.Turns {
		all = append(all, m.Of(t.Answer))
	}
	return all
}

// Result is what a case has given under a condition.
type Result struct {
	Case      *Case  `json:"-"`
	ID        string `json:"id"`
	Title     string `json:"title"`
	Condition string `json:"condition"`
	Means     string `json:"means"` // what the condition is
	Sides     []Side `json:"sides"`
}

// Side returns the side of a peer, if it took part and nothing was wrong with it.
func (r Result) Side(peer string) (Side, bool) {
	i := slices.IndexFunc(r.Sides, func(s Side) bool { return s.Peer == peer && s.Error == "" && len(s.Turns) > 0 })
	if i < 0 {
		return Side{}, false
	}
	return r.Sides[i], true
}

// Run holds a case with the given peers, by their names. Peers of the case that are not among them are left out.
func Run(ctx context.Context, stage *Stage, c *Case, peers map[string]*Peer, plan Plan) Result {
	var seats []*seat
	for _, e := range entrants(c, peers) {
		seats = append(seats, take(ctx, stage, c, e, peers[e.Peer]))
	}
	result := Result{Case: c, ID: c.ID, Title: c.Title, Condition: stage.Condition.Name, Means: stage.Condition.Means}
	turns := alternate(ctx, seats, c, plan)
	for i, s := range seats {
		s.leave(ctx)
		side := Side{Peer: s.entrant.Peer, With: s.entrant.With, Turns: turns[i]}
		if s.err != nil {
			side.Error = s.err.Error()
		}
		result.Sides = append(result.Sides, side)
	}
	return result
}

// Seats is how many seats the case has with these peers, without those that are missing.
func (c *Case) Seats(peers map[string]*Peer) int {
	n := 0
	for _, e := range entrants(c, peers) {
		if p := peers[e.Peer]; p == nil || p.missing == nil {
			n++
		}
	}
	return n
}

// entrants are those of the case's that there is a peer for. A docent of another checkout does what docent does.
func entrants(c *Case, peers map[string]*Peer) []Entrant {
	var all []Entrant
	for _, e := range c.Peers {
		if _, ok := peers[e.Peer]; ok || e.Peer == Loader {
			all = append(all, e)
		}
		if e.Peer == Docent {
			for name := range peers {
				if len(name) > len(Docent) && name[:len(Docent)+1] == Docent+"@" {
					all = append(all, Entrant{Peer: name, With: e.With, Args: e.Args})
				}
			}
		}
	}
	return all
}

// digits is how many significant digits are kept of samples: clocks and machines are not better than that.
const digits = 4

// player is what alternate needs of a seat.
type player interface {
	turn(ctx context.Context, d time.Duration) (line.Answer, error)
	compiles() bool
	out() bool
	fail(err error)
}

func (s *seat) out() bool { return s.err != nil }

func (s *seat) compiles() bool { return s.peer != nil && s.peer.Compiles }

func (s *seat) fail(err error) {
	s.err = err
}

// alternate lets the seats take turns. The turns of a seat end when it fails, or when it has used up its share of the time.
func alternate[P player](ctx context.Context, seats []P, c *Case, plan Plan) [][]Turn {
	for _, s := range seats {
		warm(ctx, s, plan)
	}
	turns, spent := make([][]Turn, len(seats)), make([]time.Duration, len(seats))
	for round := range plan.rounds(c) {
		for place, i := range turnOrder(len(seats), round) {
			if seats[i].out() || plan.Share > 0 && spent[i] >= plan.Share && len(turns[i]) >= plan.Least {
				continue
			}
			begin := time.Now()
			answer, err := seats[i].turn(ctx, plan.Slice)
			spent[i] += time.Since(begin)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				seats[i].fail(fmt.Errorf("round %d: %w", round, err))
				continue
			}
			roundTo(answer.SamplesUS, digits)
			turns[i] = append(turns[i], Turn{Round: round, Order: place, Answer: answer})
		}
	}
	return turns
}

// warm lets a seat work without counting, until it has done so for the time of the plan.
func warm[P player](ctx context.Context, s P, plan Plan) {
	enough := plan.Warm
	if s.compiles() {
		enough = plan.WarmJIT
	}
	for begin := time.Now(); !s.out(); {
		if _, err := s.turn(ctx, plan.Slice); err != nil {
			s.fail(fmt.Errorf("warming up: %w", err))
		}
		if time.Since(begin) >= enough {
			return
		}
	}
}
