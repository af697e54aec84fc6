package contest

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/bench/suite/ground"
	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

// peerEnv makes the test binary a peer.
const peerEnv = "DOCENT_BENCH_TEST_PEER"

func TestMain(m *testing.M) {
	if os.Getenv(peerEnv) != "" {
		kit.Main("1.0", map[string]kit.Opener{"work": openWork, "growing": openGrowing})
		return
	}
	goleak.VerifyTestMain(m)
}

// openWork is a workload that fails in a run of its choice.
func openWork(_ context.Context, args line.Args) (kit.Workload, error) {
	if args["path"] == "" || args["servers"] == "" {
		return nil, errors.New("it does not know where to work")
	}
	runs := 0
	return kit.Work{Do: func(_ context.Context, d time.Duration, more line.Args) (line.Answer, error) {
		if runs++; runs == args.Int("fails", 0) {
			return line.Answer{}, errors.New("two hold the lock")
		}
		return line.Answer{Ops: 2, ElapsedUS: kit.Micro(d), CPUUS: 10, SamplesUS: []float64{100}}, nil
	}}, nil
}

// openGrowing costs the square of its size.
func openGrowing(_ context.Context, args line.Args) (kit.Workload, error) {
	return kit.Work{Do: func(context.Context, time.Duration, line.Args) (line.Answer, error) {
		return line.Answer{Ops: 1, ElapsedUS: math.Pow(float64(args.Int("n", 0)), 2)}, nil
	}}, nil
}

// played returns a peer that is the test binary.
func played(name string) *Peer {
	return &Peer{Name: name, Command: func(context.Context) (*exec.Cmd, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), peerEnv+"=1", "GORACE=atexit_sleep_ms=0")
		return cmd, nil
	}}
}

// absent returns a peer that is not installed.
func absent(name string) *Peer {
	return &Peer{Name: name, Command: func(context.Context) (*exec.Cmd, error) { return nil, errors.New("it is not installed") }}
}

func ended(t *testing.T, peers map[string]*Peer) {
	t.Helper()
	for _, p := range peers {
		require.NoError(t, p.Close())
	}
}

// nowhere is a stage without servers.
func nowhere() *Stage {
	return &Stage{Condition: ground.Conditions[0], ZooKeeper: "127.0.0.1:1", Root: "/bench", NoEtcd: "etcd is not installed"}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

var plan = Plan{Rounds: 4, Units: 2, Slice: time.Millisecond}

func TestRunKeepsEveryTurnAndSaysWhoIsMissing(t *testing.T) {
	peers := map[string]*Peer{Docent: played(Docent), GoZK: played(GoZK), Kazoo: absent(Kazoo), Etcd: played(Etcd)}
	defer ended(t, peers)
	c := &Case{ID: "T1", Title: "a test", Work: "work", Metrics: []Metric{typical.aim(map[string]float64{GoZK: 0.5}), rate, processor}, Peers: []Entrant{
		{Peer: Docent, With: "a"}, {Peer: GoZK, With: "b", Args: line.Args{"fails": "4"}}, {Peer: Kazoo}, {Peer: Etcd}, {Peer: Curator},
	}}
	r := Run(within(t), nowhere(), c, peers, plan)
	require.Len(t, r.Sides, 4, "whoever is not among the peers is left out")
	ours, ok := r.Side(Docent)
	require.True(t, ok)
	assert.Len(t, ours.Turns, 4)
	assert.Equal(t, []float64{100, 100, 100, 100}, ours.Figures(typical))
	assert.Equal(t, []float64{5, 5, 5, 5}, ours.Figures(processor))
	_, ok = r.Side(GoZK)
	assert.False(t, ok, "figures of wrong work do not count")
	assert.Contains(t, r.Sides[1].Error, "round 2: go-zookeeper: run work: two hold the lock")
	assert.Len(t, r.Sides[1].Turns, 2)
	assert.Contains(t, r.Sides[2].Error, "it is not installed")
	assert.Contains(t, r.Sides[3].Error, "etcd is not installed")

	report := Report{Results: []Result{r}, Peers: []About{peers[Docent].About(), peers[GoZK].About(), peers[Kazoo].About()}}
	assert.Equal(t, "1.0", report.Peers[0].Version)
	assert.Equal(t, "it is not installed", report.Peers[2].Missing)
	failures := report.Failures()
	require.Len(t, failures, 2, "a missing peer is no failure")
	assert.Contains(t, failures[0], "T1, memory: go-zookeeper: round 2")
}

func TestPeerThatDoesNotKnowTheWorkIsOut(t *testing.T) {
	peers := map[string]*Peer{Docent: played(Docent)}
	defer ended(t, peers)
	r := Run(within(t), nowhere(), &Case{ID: "T", Work: "play", Peers: []Entrant{{Peer: Docent}}}, peers, plan)
	assert.Contains(t, r.Sides[0].Error, `it does not know "play"`)
}

func TestPeerIsStartedAgainAfterItWasLost(t *testing.T) {
	p := played(Docent)
	first, err := p.started(within(t))
	require.NoError(t, err)
	p.lost()
	second, err := p.started(within(t))
	require.NoError(t, err)
	assert.NotSame(t, first, second)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close(), "there is none any more")
}

func TestDocentOfAnotherCheckoutDoesWhatDocentDoes(t *testing.T) {
	c := &Case{Peers: []Entrant{{Peer: Docent, With: "x", Args: line.Args{"a": "b"}}, {Peer: GoZK}, {Peer: Loader}}}
	all := entrants(c, map[string]*Peer{Docent: nil, "docent@before": nil})
	assert.Equal(t, []Entrant{
		{Peer: Docent, With: "x", Args: line.Args{"a": "b"}}, {Peer: "docent@before", With: "x", Args: line.Args{"a": "b"}}, {Peer: Loader},
	}, all)
}

// notebook is where players write down whose turn it was.
type notebook struct{ turns []string }

type note struct {
	name  string
	book  *notebook
	fails int  // at this turn
	slow  bool // it is compiled while it works
	takes time.Duration
	turns int
	err   error
}

func (n *note) turn(context.Context, time.Duration) (line.Answer, error) {
	n.book.turns = append(n.book.turns, n.name)
	time.Sleep(n.takes)
	if n.turns++; n.turns == n.fails {
		return line.Answer{}, errors.New("no more")
	}
	return line.Answer{Ops: n.turns}, nil
}

func (n *note) out() bool      { return n.err != nil }
func (n *note) compiles() bool { return n.slow }
func (n *note) fail(err error) { n.err = err }

func TestTurnsAlternateInAnotherOrderEachRound(t *testing.T) {
	book := &notebook{}
	players := []*note{{name: "a", book: book}, {name: "b", book: book}, {name: "c", book: book, fails: 4}}
	turns := alternate(within(t), players, &Case{}, Plan{Rounds: 4})
	assert.Equal(t, []string{
		"a", "b", "c", // warming up
		"a", "b", "c",
		"b", "c", "a",
		"c", "a", "b", // here c fails, and is out
		"b", "a", // a reversed order
	}, book.turns)
	require.Len(t, turns[0], 4)
	assert.Equal(t, Turn{Round: 1, Order: 2, Answer: line.Answer{Ops: 3}}, turns[0][1])
	assert.Len(t, turns[2], 2)
	require.ErrorContains(t, players[2].err, "round 2: no more")
}

func TestUnitsAreNotSlices(t *testing.T) {
	book := &notebook{}
	alternate(within(t), []*note{{name: "a", book: book}}, &Case{Unit: true}, Plan{Rounds: 9, Units: 2})
	assert.Len(t, book.turns, 3)
}

func TestWhoeverFailsWhileWarmingUpTakesNoTurn(t *testing.T) {
	book := &notebook{}
	players := []*note{{name: "a", book: book, fails: 1}}
	turns := alternate(within(t), players, &Case{}, Plan{Rounds: 3})
	assert.Empty(t, turns[0])
	require.ErrorContains(t, players[0].err, "warming up")
}

// In a bubble, because it is about time.
func TestSlowSeatTakesFewerTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := &notebook{}
		players := []*note{{name: "a", book: book, takes: time.Second}, {name: "b", book: book, takes: 5 * time.Second}}
		turns := alternate(within(t), players, &Case{}, Plan{Rounds: 9, Slice: time.Second, Share: 9 * time.Second, Least: 3})
		assert.Len(t, turns[0], 9)
		assert.Len(t, turns[1], 3, "two have used up its share; the third is the least")
		assert.Equal(t, 2, turns[1][2].Round, "its turns have partners in the same rounds")
	})
}

func TestPeerThatIsCompiledWarmsUpForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := &notebook{}
		players := []*note{{name: "a", book: book, takes: time.Second}, {name: "b", book: book, takes: time.Second, slow: true}}
		alternate(within(t), players, &Case{}, Plan{Warm: time.Second, WarmJIT: 3 * time.Second})
		assert.Equal(t, []string{"a", "b", "b", "b"}, book.turns)
	})
}

func TestEstimateCountsSlicesAndWarmingUp(t *testing.T) {
	p := Plan{Rounds: 10, Slice: time.Second, Warm: time.Second, WarmJIT: 5 * time.Second, Share: 20 * time.Second, Least: 3}
	usual, most := p.Estimate(&Case{}, 2)
	assert.Equal(t, 27*time.Second, usual)
	assert.Equal(t, 50*time.Second, most)
	usual, most = p.Estimate(&Case{Unit: true}, 3)
	assert.Equal(t, 30*time.Second, usual)
	assert.Equal(t, time.Minute, most)
}

// side makes one whose p50 of each round is given.
func side(peer string, figures ...float64) Side {
	s := Side{Peer: peer}
	for i, f := range figures {
		s.Turns = append(s.Turns, Turn{Round: i, Answer: line.Answer{Ops: 1, SamplesUS: []float64{f}}})
	}
	return s
}

func TestRowsPairFiguresOfTheSameRound(t *testing.T) {
	m := typical.aim(map[string]float64{GoZK: 0.6, Curator: 0.4})
	r := Report{Results: []Result{{ID: "T", Case: &Case{Metrics: []Metric{m, processor}}, Sides: []Side{
		side(Docent, 10, 20, 30), side(GoZK, 20, 40, 60), side(Curator, 20, 40, 60), {Peer: Kazoo, Error: "gone"},
	}}}}
	rows := r.Rows()
	require.Len(t, rows, 1, "nobody has CPU figures")
	cells := rows[0].Cells
	assert.Equal(t, 20.0, cells[0].Figure.Median)
	assert.Zero(t, cells[0].Ratio.N)
	assert.Equal(t, 0.5, cells[1].Ratio.Median)
	assert.Equal(t, 0.5, cells[1].Ratio.High)
	assert.True(t, cells[1].Reached)
	assert.Equal(t, 0.4, cells[2].Aim)
	assert.False(t, cells[2].Reached)
	assert.Equal(t, "gone", cells[3].Error)

	r.Results[0].Case.Metrics[0].Most = 19
	own := r.Rows()[0].Cells[0]
	assert.Equal(t, 19.0, own.Aim, "an aim of docent's own figure")
	assert.False(t, own.Reached)
	r.Results[0].Case.Metrics[0].Most = 20
	assert.True(t, r.Rows()[0].Cells[0].Reached)

	more := Metric{More: true}
	assert.False(t, reached(more, Cell{Aim: 1.3, Ratio: cells[1].Ratio}))
	big := cells[1]
	big.Ratio.Median, big.Aim = 1.4, 1.3
	assert.True(t, reached(more, big))
}

func TestGrowthStopsAtItsBoundAndItsLimit(t *testing.T) {
	peers := map[string]*Peer{Docent: played(Docent), GoZK: played(GoZK), Kazoo: absent(Kazoo)}
	defer ended(t, peers)
	s := &Series{
		Of: "things", Sizes: []int{10, 100, 1000, 10_000, 100_000}, Bound: map[string]int{GoZK: 100},
		Case: Case{ID: "G", Work: "growing", Unit: true, Metrics: []Metric{typicalElapsed}, Peers: []Entrant{{Peer: Docent}, {Peer: GoZK}, {Peer: Kazoo}}},
	}
	g := Grow(within(t), nowhere(), s, peers, GrowthPlan{Turns: 4, Largest: 10_000, Limit: 10 * time.Second})
	ours := g.Curves[0]
	require.Len(t, ours.Points, 3)
	assert.Len(t, ours.Points[0].Turns, 4)
	assert.Len(t, ours.Points[2].Turns, 2, "more would take more than a quarter of the time")
	assert.Equal(t, "10000 would take some 1m40s, and 10s are left", ours.Stopped)
	law, ok := ours.Fit(typicalElapsed)
	require.True(t, ok)
	assert.InDelta(t, 2, law.Exponent, 1e-9)
	assert.Len(t, g.Curves[1].Points, 2)
	assert.Equal(t, "not measured beyond 100", g.Curves[1].Stopped)
	assert.Contains(t, g.Curves[2].Stopped, "it is not installed")
	assert.Empty(t, g.failures(), "limits and missing peers are no failures")

	s.Patience = 11
	g = Grow(within(t), nowhere(), s, peers, GrowthPlan{Turns: 4, Largest: 10_000, Limit: 10 * time.Second})
	require.Len(t, g.Curves[0].Points, 4, "110 s are enough")
	assert.Len(t, g.Curves[0].Points[3].Turns, 1)

	s.Work = "play"
	g = Grow(within(t), nowhere(), s, peers, GrowthPlan{Turns: 1, Largest: 10, Limit: time.Minute})
	assert.Len(t, g.failures(), 2)
}

// The turns at one size leave the time for the larger sizes, if those can be reached.
func TestGrowthLeavesTimeForLargerSizes(t *testing.T) {
	s := &Series{Sizes: []int{10, 100, 1000, 10_000}}
	curve := func() *Curve {
		point := func(size int, seconds float64) Point {
			return Point{Size: size, Turns: []Turn{{Answer: line.Answer{ElapsedUS: seconds * 1e6}}}}
		}
		return &Curve{Points: []Point{point(10, 0.01), point(100, 0.1)}, spent: time.Second}
	}
	turns := func(limit time.Duration) int {
		return curve().turns(s, 1000, GrowthPlan{Turns: 5, Largest: 10_000, Limit: limit})
	}
	assert.Equal(t, 5, turns(40*time.Second), "5 of 1 s each")
	assert.Equal(t, 2, turns(13*time.Second+time.Millisecond), "10 s are for the largest size")
	assert.Equal(t, 2, turns(11*time.Second), "the largest size is out of reach")
	s.Bound = map[string]int{"": 1000}
	assert.Equal(t, 3, turns(13*time.Second+time.Millisecond), "and so it is here")
}

func TestBoundsThatAreExceededAreListed(t *testing.T) {
	curve := func(peer string, costs ...float64) Curve {
		c := Curve{Peer: peer}
		for i, cost := range costs {
			c.Points = append(c.Points, Point{Size: []int{10, 100, 1000}[i], Turns: []Turn{{Answer: line.Answer{ElapsedUS: cost}}}})
		}
		return c
	}
	s := &Series{Case: Case{ID: "G", Metrics: []Metric{typicalElapsed.exponent(1.1).most(1000)}}}
	g := Growth{Series: s, ID: "G", Curves: []Curve{curve(GoZK, 1, 1000, 1e6), curve(Docent, 10, 100, 1000)}}
	assert.Empty(t, g.Exceeded())
	g.Curves[1] = curve(Docent, 10, 1000, 100_000)
	assert.Len(t, g.Exceeded(), 2, "the exponent, and the figure at the largest size")
	g.Curves[1] = Curve{Peer: Docent, Stopped: "it takes too long"}
	assert.Equal(t, []string{"G: not measured at all sizes: it takes too long"}, g.Exceeded())
}

func TestArgumentsOfASeriesCanBeTheSize(t *testing.T) {
	s := &Series{Case: Case{Args: line.Args{"clients": "$n", "changes": "20"}}}
	assert.Equal(t, line.Args{"clients": "30", "changes": "20", "n": "30", "count": "30"}, s.sized(30))
	assert.Equal(t, "$n", s.Args["clients"], "the original stays as it was")
}

func TestGentleCasesAreSmallAndSlow(t *testing.T) {
	gentle := 0
	for _, c := range Cases() {
		if !c.Gentle {
			continue
		}
		gentle++
		g := c.Gently()
		assert.Equal(t, "20ms", g.Args["pause"])
		assert.LessOrEqual(t, g.Args.Int("count", 0), 500)
		assert.NotContains(t, c.Args, "pause", "the original stays as it was")
		assert.LessOrEqual(t, c.Args.Int("callers", 1), 16)
		assert.Equal(t, 1, c.Args.Int("clients", 1))
	}
	assert.Equal(t, 4, gentle)
}

// What cases and series say must fit together.
func TestCasesAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	check := func(c *Case) {
		assert.False(t, seen[c.ID], "%s is there twice", c.ID)
		seen[c.ID] = true
		assert.NotEmpty(t, c.Title, c.ID)
		assert.NotEmpty(t, c.Metrics, c.ID)
		assert.Equal(t, Docent, c.Peers[0].Peer, c.ID)
		for _, e := range c.Peers {
			assert.NotEmpty(t, e.With, "%s: %s", c.ID, e.Peer)
		}
		for _, m := range c.Metrics {
			for peer := range m.Aims {
				assert.Contains(t, names(c.Peers), peer, "%s: an aim beside nobody", c.ID)
			}
		}
	}
	conditions := map[string]bool{}
	for _, c := range ground.Conditions {
		conditions[c.Name] = true
	}
	for _, c := range Cases() {
		check(c)
		for _, name := range c.Conditions {
			assert.True(t, conditions[name], "%s: %s", c.ID, name)
		}
	}
	for _, s := range AllSeries() {
		check(&s.Case)
		assert.IsIncreasing(t, s.Sizes, s.ID)
	}
}

func TestQuickCasesAreSmaller(t *testing.T) {
	c := &Case{Title: "5,000 things", Args: line.Args{"n": "5000", "a": "b"}, Small: line.Args{"n": "100"}, SmallTitle: "100 things"}
	q := c.Quickly()
	assert.Equal(t, line.Args{"n": "100", "a": "b"}, q.Args)
	assert.Equal(t, "100 things", q.Title)
	assert.Equal(t, "5000", c.Args["n"], "the original stays as it was")
	assert.Equal(t, "x", (&Case{Title: "x", Args: line.Args{}}).Quickly().Title)
}

func names(entrants []Entrant) []string {
	var all []string
	for _, e := range entrants {
		all = append(all, e.Peer)
	}
	return all
}

func TestMissingPiecesOfPeersAreNamed(t *testing.T) {
	_, err := jars(t.TempDir())
	require.ErrorContains(t, err, "curator-recipes.jar is not installed; make deps installs it")
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	_, err = java("java")
	require.ErrorContains(t, err, "java is not installed; make deps installs it")
}

func TestBesideReplacesDocent(t *testing.T) {
	suite, checkout, out := t.TempDir(), t.TempDir(), t.TempDir()
	write := func(path, text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write(filepath.Join(suite, "go.mod"), "module x\n\nreplace github.com/docent-zk/docent => ../..\n")
	write(filepath.Join(suite, "go.sum"), "sums\n")
	b := Builder{Suite: suite, Out: out}
	_, err := b.replacing(filepath.Join(out, "d"), checkout)
	require.ErrorIs(t, err, os.ErrNotExist, "it is no checkout")
	write(filepath.Join(checkout, "go.mod"), "module github.com/docent-zk/docent\n")
	mod, err := b.replacing(filepath.Join(out, "d"), checkout)
	require.NoError(t, err)
	text, err := os.ReadFile(mod)
	require.NoError(t, err)
	assert.Contains(t, string(text), "replace github.com/docent-zk/docent => "+checkout)
}
