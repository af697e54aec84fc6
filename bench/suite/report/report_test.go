package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/bench/suite/contest"
	"github.com/docent-zk/docent/bench/suite/ground"
	"github.com/docent-zk/docent/bench/suite/line"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// side is a peer that needs so much in each round.
func side(peer, with string, samples ...float64) contest.Side {
	s := contest.Side{Peer: peer, With: with}
	for i, us := range samples {
		s.Turns = append(s.Turns, contest.Turn{Round: i, Answer: line.Answer{Ops: 100, ElapsedUS: 100 * us, CPUUS: 50 * us, SamplesUS: []float64{us}}})
	}
	return s
}

// sample is a report with everything that can be in one.
func sample() contest.Report {
	cases := contest.Cases()
	w1, w2 := cases[0], cases[1]
	series := contest.AllSeries()[0]
	curve := contest.Curve{Peer: contest.Docent, With: "lock.Mutex", Stopped: "1000 would take some 2m0s"}
	for _, n := range []int{10, 100} {
		answer := line.Answer{Ops: n, ElapsedUS: float64(n * n), CPUUS: float64(n), Values: map[string]float64{"received": float64(100 * n)}}
		curve.Points = append(curve.Points, contest.Point{Size: n, Turns: []contest.Turn{{Answer: answer}}})
	}
	return contest.Report{
		Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Took: "1m0s", Command: "go run . -quick",
		Machine: ground.Machine{Processors: 2, Processor: "a processor", ZooKeeper: "3.8.0"},
		Peers:   []contest.About{{Name: contest.Docent, Version: "abc", Runtime: "go1.26"}, {Name: contest.Kazoo, Missing: "kazoo is not installed"}},
		Results: []contest.Result{
			{Case: w1, ID: "W1", Title: "uncontended", Condition: "memory", Means: "nothing is on a disk", Sides: []contest.Side{
				side(contest.Docent, "lock.Mutex", 400, 410, 420), side("docent@before", "lock.Mutex", 800, 820, 840), side(contest.GoZK, "zk.Lock", 500, 410, 400),
				{Peer: contest.Kazoo, Error: "kazoo is not installed"},
			}},
			{Case: w2, ID: "W2", Title: "contended", Condition: "memory", Sides: []contest.Side{
				side(contest.Docent, "lock.Mutex", 100), side(contest.GoZK, "zk.Lock", 150),
				{Peer: contest.Etcd, Error: "two hold the lock | at the same time"},
			}},
		},
		Growth: []contest.Growth{{Series: series, ID: "G1", Title: "waiters", Of: "waiters", Curves: []contest.Curve{curve, {Peer: contest.Kazoo, Stopped: "x"}}}},
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	Table(&out, sample())
	lines := strings.Split(out.String(), "\n")
	for i, want := range [][]string{
		{"workload", "network, disk", "figure", "docent", "docent@before", "go-zookeeper", "kazoo", "etcd"},
		{"W1", "memory", "p50", "410 us", "820 us: 0.50 [0.50-0.50]", "410 us: 1.00 [0.90-1.02] (aim 0.82)", "no figure"},
		{"W1", "memory", "CPU", "205 us"},
		{"W2", "memory", "rate", "10,000/s", "6,667/s: 1.50 [1.50-1.50]", "no figure"},
		{"W2", "memory", "CPU"},
		{"kazoo did not take part: kazoo is not installed"},
		{"FAILED: W2, memory: etcd: two hold the lock"},
		{"series", "exponent"},
		{"G1 waiters", "time", "docent", "2.00", "100 us at 10", "10.0 ms at 100", "1000 would take some 2m0s"},
	} {
		at := -1
		for _, word := range want {
			next := strings.Index(lines[i][at+1:], word)
			require.GreaterOrEqual(t, next, 0, "line %d %q: %q", i, lines[i], word)
			at += 1 + next
		}
	}
	assert.Contains(t, out.String(), "W1: uncontended\n", "what it is about")
	assert.Equal(t, strings.Index(lines[0], "docent"), strings.Index(lines[1], "410 us"), "columns stand below each other")
}

func TestAimsOfDocentItself(t *testing.T) {
	m := contest.Metric{Unit: "B", Most: 64 << 10}
	at := func(v float64) contest.Cell {
		return contest.Cell{Peer: contest.Docent, Figure: contest.Spread{N: 1, Median: v}, Aim: m.Most, Reached: v <= m.Most}
	}
	assert.Equal(t, "156 KiB (aim 64.0 KiB)", cell(at(156<<10), m))
	assert.Equal(t, "40.0 KiB", cell(at(40<<10), m))
	r := sample()
	rows := growthGrid(r)
	assert.Equal(t, "1.00", rows[3][3], "received: within its aim")
	r.Growth[0].Series.Metrics[1].Exponent = 0.5
	assert.Equal(t, "1.00 (aim 0.5)", growthGrid(r)[3][3])
}

func TestNumbers(t *testing.T) {
	for want, of := range map[string]struct {
		v    float64
		unit string
	}{
		"12.3 ns": {0.0123, "us"}, "455 us": {455.2, "us"}, "1.05 ms": {1050, "us"}, "2.50 s": {2.5e6, "us"},
		"34.0 MiB": {34 << 20, "B"}, "512 B": {512, "B"}, "55,123/s": {55123, "/s"}, "0.00": {0, ""}, "-": {math.NaN(), "us"},
		"-3.55 KiB": {-3635, "B"}, "1,234,567": {1234567, ""}, "-123,456": {-123456, ""},
	} {
		assert.Equal(t, want, Number(of.v, of.unit))
	}
	assert.Equal(t, "0.003 [0.002-0.004]", Ratio(contest.Spread{N: 3, Median: 0.003, Low: 0.002, High: 0.004}))
	assert.Equal(t, "-", Ratio(contest.Spread{}))
}

func TestMarkdownHasEverything(t *testing.T) {
	text := Markdown("results", sample(), []plot{{"results.svg", "a plot", ""}})
	for _, want := range []string{
		"Measured on 2026-01-02 in 1m0s", "`go run . -quick`", "[results.json](results.json)",
		"| W1 | memory | p50 | 410 us |", "![a plot](results.svg)", "## Growth", "| G1 waiters | time | docent | 2.00 |",
		"docent: lock.Mutex, docent@before: lock.Mutex, go-zookeeper: zk.Lock", "| 2 x a processor |", "| ZooKeeper | 3.8.0 |",
		"| peer docent | abc, go1.26 |", "- kazoo did not take part: kazoo is not installed", "| memory | nothing is on a disk |",
	} {
		assert.Contains(t, text, want)
	}
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "|") {
			assert.True(t, strings.HasSuffix(l, "|\n"), l)
		}
	}
}

// valid reports whether a text is XML.
func valid(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestPlotsShowWhatIsMeasured(t *testing.T) {
	r := sample()
	text := overview(r)
	require.NoError(t, valid(text))
	assert.Equal(t, 1+1+1, strings.Count(text, `beside`), "each peer that has a ratio, in each case")
	assert.Contains(t, text, "W2: rate, memory, beside go-zookeeper: 1.50 [1.50-1.50]")
	assert.NotContains(t, text, "NaN")
	text = growthPlot(r.Growth[0])
	require.NoError(t, valid(text))
	assert.Contains(t, text, "docent, 100: 10.0 ms")
	assert.Contains(t, text, "docent: n^2.00")
	assert.NotContains(t, text, "NaN")
	assert.NotContains(t, text, "Inf")
}

func TestPlotsOfNothing(t *testing.T) {
	assert.NoError(t, valid(overview(contest.Report{})))
	assert.NoError(t, valid(growthPlot(contest.Growth{Series: contest.AllSeries()[0]})))
}

func TestLogScale(t *testing.T) {
	s := newLogScale([]float64{20, 3000}, 0, 300)
	assert.Equal(t, []float64{10, 100, 1000, 10_000}, s.ticks())
	assert.InDelta(t, 100, s.at(100), 1e-9)
	assert.Equal(t, 300.0, clamp(s, 1e9))
	assert.Equal(t, []float64{10, 100}, newLogScale([]float64{10}, 0, 1).ticks())
}

func TestBetterIsAboveOneInAnyMetric(t *testing.T) {
	assert.Equal(t, 2.0, better(contest.Metric{}, 0.5))
	assert.Equal(t, 2.0, better(contest.Metric{More: true}, 2))
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	require.NoError(t, Write(dir, "run", sample()))
	for _, file := range []string{"run.md", "run.svg", "run-G1.svg", "run.json"} {
		assert.FileExists(t, filepath.Join(dir, file))
	}
	raw, err := os.ReadFile(filepath.Join(dir, "run.json"))
	require.NoError(t, err)
	again, err := contest.Read(raw)
	require.NoError(t, err)
	var first, second strings.Builder
	Table(&first, sample())
	Table(&second, again)
	assert.Equal(t, first.String(), second.String())
	assert.Equal(t, sample().Results[0].Sides, again.Results[0].Sides, "every turn is kept")
	assert.Equal(t, sample().Growth[0].Curves, again.Growth[0].Curves)
}
