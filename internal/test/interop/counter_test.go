package interop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
)

// adds adds delta that many times and returns the sum.
func adds(t testing.TB, i *counter.Int, delta int64, times int) (sum int64) {
	t.Helper()
	var err error
	for range times {
		sum, err = i.Add(within(t), delta)
		require.NoError(t, err)
	}
	return sum
}

// Each finds what another has created, and counts on.
func TestCounterOfAll(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	java, python, cli := w.curator(), w.kazoo(), w.client()
	ours := counter.NewInt(cli, "/ours")
	assert.EqualValues(t, -3, adds(t, ours, -3, 1))
	assert.Equal(t, "297", java.says("count.add", "shared", "/ours", 300, 1))
	assert.Equal(t, "-703", java.says("count.add", "int", "/ours", -1000, 1))
	assert.Equal(t, "-701", python.says("count.add", "int", "/ours", 1, 2))
	assert.EqualValues(t, -700, adds(t, ours, 1, 1))
	require.NoError(t, ours.Set(within(t), -1<<31))
	assert.Equal(t, fmt.Sprint(-1<<31), java.says("count.get", "shared", "/ours"))
	assert.Equal(t, fmt.Sprint(-1<<31), java.says("count.get", "int", "/ours"))
	assert.Equal(t, fmt.Sprint(-1<<31), python.says("count.get", "int", "/ours"))

	for at, first := range map[string]func() string{
		"/shared": func() string { return java.says("count.add", "shared", "/shared", 10, 1) },
		"/atomic": func() string { return java.says("count.add", "int", "/atomic", 10, 1) },
		"/kazoo":  func() string { return python.says("count.add", "int", "/kazoo", 10, 1) },
	} {
		assert.Equal(t, "10", first(), at)
		assert.EqualValues(t, 11, adds(t, counter.NewInt(cli, at), 1, 1), at)
	}
	long := counter.NewInt(cli, "/long", counter.Long)
	require.NoError(t, long.Set(within(t), 1<<40))
	assert.Equal(t, fmt.Sprint(1<<40-1), java.says("count.add", "long", "/long", -1, 1))
	assert.EqualValues(t, 1<<40, adds(t, long, 1, 1))
	java.do("count.set", "long", "/long", -1<<60)
	got, err := long.Get(within(t))
	require.NoError(t, err)
	assert.EqualValues(t, -1<<60, got.Value)
}

// All count at once, and nothing is lost. SharedCount sees what others write, because it watches.
func TestCountersAtOnce(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	const each = 60
	all := counter.NewInt(w.client(), "/all")
	require.NoError(t, all.Set(within(t), 0))
	others := []*call{
		w.curator().begin("count.add", "int", "/all", 1, each),
		w.curator().begin("count.add", "shared", "/all", 1, each),
		w.kazoo().begin("count.add", "int", "/all", 1, each),
	}
	adds(t, all, 1, each)
	for _, c := range others {
		c.wait(t)
	}
	got, err := all.Get(within(t))
	require.NoError(t, err)
	assert.EqualValues(t, 4*each, got.Value)
}

// Text of kazoo's own format is refused where it cannot be a number of 4 bytes, and not touched.
func TestKazooCounterInItsOwnFormat(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	python := w.kazoo()
	python.do("count.add", "text", "/text", 258, 1)
	_, err := counter.NewInt(w.client(), "/text").Add(within(t), 1)
	require.ErrorIs(t, err, counter.ErrWidth)
	assert.Equal(t, "258", w.data("/text"))
}
