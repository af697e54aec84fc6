package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/bench/suite/contest"
	"github.com/docent-zk/docent/bench/suite/ground"
)

func parsed(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := parse(args, io.Discard)
	require.NoError(t, err)
	return o
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-beside", "before"}, {"-beside", "=x"}, {"W1"}, {"-slice", "long"}} {
		_, err := parse(args, io.Discard)
		assert.Error(t, err, args)
	}
	o := parsed(t, "-beside", "before=/checkout", "-beside", "a=b")
	assert.Equal(t, map[string]string{"docent@before": "/checkout", "docent@a": "b"}, o.beside)
}

func TestQuickIsQuick(t *testing.T) {
	full, quick := parsed(t), parsed(t, "-quick")
	assert.Equal(t, 200*time.Millisecond, full.plan().Slice)
	assert.GreaterOrEqual(t, full.plan().Rounds, 20)
	assert.Less(t, quick.plan().Rounds, 10)
	assert.Equal(t, 100_000, full.growthPlan().Largest)
	assert.Equal(t, 10, parsed(t, "-servers", "zk1:2181").plan().Rounds, "bounded on servers of others")
	assert.Equal(t, 7, parsed(t, "-quick", "-rounds", "7").plan().Rounds)
}

// The machine that it is measured on may be slower than usual; what slices and shares add up to is not in doubt.
func TestRunsAreAsLongAsPromised(t *testing.T) {
	for _, of := range []struct {
		args  []string
		limit time.Duration
	}{{nil, 23 * time.Minute}, {[]string{"-quick"}, 105 * time.Second}} {
		b := newBench(parsed(t, of.args...))
		b.assemble(contest.Builder{})
		usual, most := b.estimate(b.parts())
		assert.Less(t, usual, of.limit, "%v", of.args)
		assert.Less(t, most, 3*usual, "%v", of.args)
	}
}

func TestWhatWasMeasuredIsWrittenAfterEachStep(t *testing.T) {
	dir := t.TempDir()
	b := newBench(parsed(t, "-out", dir))
	b.all, b.left = 3, time.Minute
	read := func() contest.Report {
		raw, err := os.ReadFile(filepath.Join(dir, "results.json"))
		require.NoError(t, err)
		r, err := contest.Read(raw)
		require.NoError(t, err)
		return r
	}
	measured := contest.Result{ID: "W1", Condition: "memory", Case: contest.Cases()[0]}
	b.step(t.Context(), "W1", 20*time.Second, func() { b.report.Results = append(b.report.Results, measured) })
	assert.Len(t, read().Results, 1)
	assert.Equal(t, "1 of 3 cases and series were measured", read().Unfinished)
	assert.Equal(t, 40*time.Second, b.left)
	interrupted, cancel := context.WithCancel(t.Context())
	b.step(interrupted, "W2", 0, cancel)
	b.step(interrupted, "W3", 0, func() { t.Error("nothing begins after an interruption") })
	assert.Equal(t, "1 of 3 cases and series were measured", read().Unfinished)
	b.done = 3
	require.NoError(t, b.save())
	assert.Empty(t, read().Unfinished)
}

func TestNothingIsMeasuredWithoutDocent(t *testing.T) {
	b := newBench(parsed(t, "-without", "etcd,kazoo,Curator,go-zookeeper"))
	b.assemble(contest.Builder{Suite: t.TempDir(), Out: t.TempDir()})
	require.ErrorContains(t, b.start(t.Context()), "docent cannot be built")
}

// A part whose servers cannot be started is a failure of its own, and the others go on.
func TestServersThatDoNotStartAreReported(t *testing.T) {
	b := newBench(parsed(t))
	b.measure(t.Context(), part{condition: ground.Conditions[1], open: func(context.Context) (*contest.Stage, error) {
		return nil, errors.New("the disk is full")
	}})
	assert.Equal(t, []string{"fsync: the disk is full"}, b.report.Failures())
}

func TestCommandCanBeRunAgain(t *testing.T) {
	assert.Equal(t, `go run . -cases "W5 load,W1" -quick`, command([]string{"-cases", "W5 load,W1", "-quick"}))
}

func chosen(o *options, c ground.Condition) (names []string) {
	cases, series := newBench(o).chosen(c)
	for _, one := range cases {
		names = append(names, one.ID)
	}
	for _, s := range series {
		names = append(names, s.ID)
	}
	return names
}

func TestCasesAreChosen(t *testing.T) {
	memory, fsync, slow := ground.Conditions[0], ground.Conditions[1], ground.Conditions[2]
	all := parsed(t)
	atScale := parsed(t, "-scale")
	assert.Len(t, chosen(atScale, memory), len(contest.AllSeries()), "growth only")
	assert.Empty(t, chosen(atScale, slow))
	assert.Len(t, chosen(all, memory), len(contest.Cases())+len(contest.AllSeries())-2, "what is measured at scale only is left out")
	assert.Equal(t, []string{"W1", "W2"}, chosen(all, fsync))
	assert.Contains(t, chosen(all, slow), "W9 x256")
	assert.NotContains(t, chosen(all, slow), "G1", "growth is measured in memory")

	some := parsed(t, "-cases", "W3,G2", "-conditions", "memory")
	assert.Equal(t, []string{"W3", "W3 handover", "G2"}, chosen(some, memory))
	assert.Empty(t, chosen(some, slow))
	assert.Empty(t, chosen(parsed(t, "-quick"), fsync))
	assert.NotContains(t, chosen(parsed(t, "-growth=false"), memory), "G1")
}

func TestPeersAreAssembled(t *testing.T) {
	b := newBench(parsed(t, "-without", "etcd,kazoo", "-beside", "before=/checkout"))
	b.assemble(contest.Builder{})
	assert.Len(t, b.peers, 4)
	assert.Contains(t, b.peers, "docent@before")
	assert.NotContains(t, b.peers, contest.Etcd)
	assert.Len(t, b.loaders, 2)

	alone := newBench(parsed(t, "-scale"))
	alone.assemble(contest.Builder{})
	assert.Len(t, alone.peers, 1)
	assert.Contains(t, alone.peers, contest.Docent)
}
