package contest

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/docent-zk/docent/bench/suite/ground"
	"github.com/docent-zk/docent/bench/suite/line"
)

// Series is work whose size grows.
type Series struct {
	Case
	// Of names the things whose number grows.
	Of    string
	Sizes []int
	// Bound is the largest size of a peer, by its name. Most peers have none.
	Bound map[string]int
	// Patience multiplies the plan's limit. Defaults to 1.
	Patience int
	// Scale leaves the series out unless docent alone is measured at scale.
	Scale bool
}

// Point is what one peer has given at one size.
type Point struct {
	Size  int    `json:"size"`
	Turns []Turn `json:"turns"`
}

// Curve is what one peer has given at all sizes.
type Curve struct {
	Peer   string  `json:"peer"`
	With   string  `json:"with"`
	Points []Point `json:"points"`
	// Stopped says why there are no points beyond the last one; empty if it was the largest.
	Stopped string `json:"stopped,omitempty"`
	// Failed says that Stopped is an error, and no limit.
	Failed bool `json:"failed,omitempty"`

	spent time.Duration // so far
}

// Growth is what a series has given.
type Growth struct {
	Series *Series `json:"-"`
	ID     string  `json:"id"`
	Title  string  `json:"title"`
	Of     string  `json:"of"`
	Curves []Curve `json:"curves"`
}

// Costs returns the median of a metric for each size.
func (c Curve) Costs(m Metric) (sizes, costs []float64) {
	for _, p := range c.Points {
		side := Side{Turns: p.Turns}
		if cost := Median(side.Figures(m)); !math.IsNaN(cost) {
			sizes, costs = append(sizes, float64(p.Size)), append(costs, cost)
		}
	}
	return sizes, costs
}

// Fit is the law of a metric of the curve.
func (c Curve) Fit(m Metric) (PowerLaw, bool) { return Fit(c.Costs(m)) }

// Exceeded lists the bounds that docent does not keep: an exponent, or a figure at the largest size.
func (g Growth) Exceeded() []string {
	var all []string
	for _, c := range g.Curves {
		if c.Peer != Docent {
			continue
		}
		if c.Stopped != "" {
			all = append(all, fmt.Sprintf("%s: not measured at all sizes: %s", g.ID, c.Stopped))
		}
		for _, m := range g.Series.Metrics {
			if law, ok := c.Fit(m); ok && m.Exponent > 0 && law.Exponent > m.Exponent {
				all = append(all, fmt.Sprintf("%s: %s grows with exponent %.2f, at most %.2f allowed", g.ID, m.Name, law.Exponent, m.Exponent))
			}
			if _, costs := c.Costs(m); m.Most > 0 && len(costs) > 0 && costs[len(costs)-1] > m.Most {
				all = append(all, fmt.Sprintf("%s: %s is %.0f %s at the largest size, at most %.0f allowed", g.ID, m.Name, costs[len(costs)-1], m.Unit, m.Most))
			}
		}
	}
	return all
}

func (g Growth) failures() []string {
	var all []string
	for _, c := range g.Curves {
		if c.Failed {
			all = append(all, g.ID+": "+c.Peer+": "+c.Stopped)
		}
	}
	return all
}

// GrowthPlan bounds a series.
type GrowthPlan struct {
	Turns   int           // at each size; fewer if there is no time for so many
	Largest int           // size
	Limit   time.Duration // of a peer in a series; a size for which not enough is left, as far as one can tell, is left out
}

// Estimate is the time that a series takes with so many peers: the usual time, and the longest.
func (p GrowthPlan) Estimate(s *Series, peers int) (usual, most time.Duration) {
	most = time.Duration(peers) * p.limit(s)
	return most / 2, most
}

// limit is the time that a peer has for a series.
func (p GrowthPlan) limit(s *Series) time.Duration {
	return p.Limit * time.Duration(max(1, s.Patience))
}

// Grow runs a series.
func Grow(ctx context.Context, stage *Stage, s *Series, peers map[string]*Peer, plan GrowthPlan) Growth {
	g := Growth{Series: s, ID: s.ID, Title: s.Title, Of: s.Of}
	entering := entrants(&s.Case, peers)
	for _, e := range entering {
		g.Curves = append(g.Curves, Curve{Peer: e.Peer, With: e.With})
	}
	for _, size := range s.Sizes {
		if size > plan.Largest {
			break
		}
		for i := range entering {
			c := &g.Curves[i]
			if c.Stopped != "" {
				continue
			}
			if turns := c.turns(s, size, plan); turns > 0 {
				begin := time.Now()
				c.grow(ctx, stage, s, entering[i], peers[entering[i].Peer], size, turns)
				c.spent += time.Since(begin)
			}
		}
	}
	return g
}

// turns is how many turns the peer takes at this size. If there are none the curve stops. Several turns take a quarter of the time
// at most, and leave enough for a turn at each larger size.
func (c *Curve) turns(s *Series, size int, plan GrowthPlan) int {
	if bound, ok := s.Bound[c.Peer]; ok && size > bound {
		c.Stopped = fmt.Sprintf("not measured beyond %d", bound)
		return 0
	}
	limit := plan.limit(s)
	expected, left := c.expect(size), limit-c.spent
	if expected >= left {
		c.Stopped = fmt.Sprintf("%d would take some %v, and %v are left", size, expected.Round(time.Second), max(0, left).Round(time.Second))
		return 0
	}
	spare := left - c.reserve(s, size, plan, left-expected)
	return min(plan.Turns, max(1, int(min(spare, limit/4)/max(expected, 1))))
}

// reserve is the time that one turn at each size beyond this one takes, as far as that fits in what is left.
func (c *Curve) reserve(s *Series, size int, plan GrowthPlan, left time.Duration) (total time.Duration) {
	bound, bounded := s.Bound[c.Peer]
	for _, larger := range s.Sizes {
		if larger <= size {
			continue
		}
		expected := c.expect(larger)
		if larger > plan.Largest || bounded && larger > bound || total+expected > left {
			break
		}
		total += expected
	}
	return total
}

// expect guesses how long a size will take, by the law of what the sizes before have taken: at least in proportion, and little
// more than quadratically, whatever a few figures that scatter say.
func (c *Curve) expect(size int) time.Duration {
	n := len(c.Points)
	if n == 0 {
		return 0
	}
	var sizes, costs []float64
	for _, p := range c.Points {
		sizes, costs = append(sizes, float64(p.Size)), append(costs, p.longest())
	}
	law, _ := Fit(sizes, costs)
	exponent := min(2.2, max(1, law.Exponent))
	return time.Duration(1e3 * costs[n-1] * math.Pow(float64(size)/sizes[n-1], exponent))
}

// longest is what the longest turn has taken, in microseconds.
func (p Point) longest() float64 {
	longest := 0.0
	for _, t := range p.Turns {
		longest = max(longest, t.Answer.ElapsedUS)
	}
	return longest
}

// grow adds a point. Each turn has a seat of its own.
func (c *Curve) grow(ctx context.Context, stage *Stage, s *Series, e Entrant, peer *Peer, size, turns int) {
	point := Point{Size: size}
	for turn := range turns {
		sized := s.Case
		sized.Args = s.sized(size)
		sized.ID = fmt.Sprintf("%s-%d-%d-%d", s.ID, size, turn, stage.round())
		seat := take(ctx, stage, &sized, e, peer)
		var answer line.Answer
		if seat.err == nil {
			answer, seat.err = seat.turn(ctx, 0)
		}
		seat.leave(ctx)
		if seat.err != nil {
			c.Stopped, c.Failed = seat.err.Error(), peer.missing == nil
			return
		}
		point.Turns = append(point.Turns, Turn{Round: turn, Answer: answer})
	}
	c.Points = append(c.Points, point)
}

// sized returns the arguments of a size. An argument whose value is sizeItself becomes the size.
func (s *Series) sized(size int) line.Args {
	args := s.Args.With("n", size).With("count", size)
	for key, value := range args {
		if value == sizeItself {
			args[key] = strconv.Itoa(size)
		}
	}
	return args
}

// sizeItself is replaced by the size in the arguments of a series.
const sizeItself = "$n"

// bytesPassed adds what the seat's relay has passed meanwhile to an answer.
func bytesPassed(drive driver) driver {
	return func(ctx context.Context, s *seat, d time.Duration) (line.Answer, error) {
		sentBefore, receivedBefore := s.relay.Bytes()
		answer, err := drive(ctx, s, d)
		sent, received := s.relay.Bytes()
		if answer.Values == nil {
			answer.Values = map[string]float64{}
		}
		answer.Values["sent"], answer.Values["received"] = float64(sent-sentBefore), float64(received-receivedBefore)
		return answer, err
	}
}

// rearm sets watches, breaks the connection, and waits until the server has them again. Nobody else is at work, so that all
// watches of the server are those of the seat, once those of earlier seats are gone.
func rearm(ctx context.Context, s *seat, d time.Duration) (line.Answer, error) {
	if err := s.awaitWatches(ctx, 0); err != nil {
		return line.Answer{}, err
	}
	answer, err := s.run(ctx, d, nil)
	if err != nil {
		return answer, err
	}
	n := s.args.Int("n", 0)
	if err := s.awaitWatches(ctx, n); err != nil {
		return answer, err
	}
	s.relay.Hold()
	if err := s.awaitWatches(ctx, 0); err != nil {
		return answer, err
	}
	begin := time.Now()
	s.relay.Release()
	err = s.awaitWatches(ctx, n)
	if answer.Values == nil {
		answer.Values = map[string]float64{}
	}
	answer.Values["rearm_us"] = float64(time.Since(begin).Microseconds())
	return answer, err
}

// awaitWatches waits until the server has so many watches.
func (s *seat) awaitWatches(ctx context.Context, n int) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		watches, err := ground.Watches(s.stage.ZooKeeper)
		if err != nil {
			return err
		}
		if watches == n {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("the server has %d watches, and not %d: %w", watches, n, context.Cause(ctx))
		}
	}
}

// String names the series.
func (s *Series) String() string {
	return s.ID + " (" + s.Of + " to " + strconv.Itoa(s.Sizes[len(s.Sizes)-1]) + ")"
}
