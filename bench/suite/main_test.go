package main

import (
	"io"
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
	assert.GreaterOrEqual(t, full.plan().Rounds, 30)
	assert.Less(t, quick.plan().Rounds, 10)
	assert.Equal(t, 100_000, full.growthPlan().Largest)
	assert.Equal(t, 10, parsed(t, "-servers", "zk1:2181").plan().Rounds, "bounded on servers of others")
	assert.Equal(t, 7, parsed(t, "-quick", "-rounds", "7").plan().Rounds)
}

func TestCommandCanBeRunAgain(t *testing.T) {
	assert.Equal(t, `go run . -cases "W5 load,W1" -quick`, command([]string{"-cases", "W5 load,W1", "-quick"}))
}

func chosen(o *options, c ground.Condition) (names []string) {
	cases, series := (&bench{options: o}).chosen(c)
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
	assert.Len(t, chosen(all, memory), len(contest.Cases())+len(contest.AllSeries()))
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
	b := &bench{options: parsed(t, "-without", "etcd,kazoo", "-beside", "before=/checkout")}
	b.assemble(contest.Builder{})
	assert.Len(t, b.peers, 4)
	assert.Contains(t, b.peers, "docent@before")
	assert.NotContains(t, b.peers, contest.Etcd)
	assert.Len(t, b.loaders, 2)
}
