package sim

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var oneRole = flag.String("sim.roles", "", "roles that every play of TestPlay has, separated by commas; each draws its own if empty")

// wantedRoles are those that -sim.roles names.
func wantedRoles() []string {
	if *oneRole == "" {
		return nil
	}
	return strings.Split(*oneRole, ",")
}

// Recipes under random faults, beside each other.
func TestPlay(t *testing.T) {
	var coverage Coverage
	eachSeed(t, 48, func(seed uint64, trace func(string)) error {
		p := DrawPlay(seed, wantedRoles()...)
		if trace != nil {
			trace(p.String())
		}
		err := p.Run(trace)
		coverage.Add(p)
		if coverage.Plays%100 == 0 {
			write(t, &coverage)
		}
		if err != nil {
			return fmt.Errorf("%v\n%w", p, err)
		}
		return nil
	})
	write(t, &coverage)
	t.Log(coverage.Summary())
	if *seeds != 0 && *outFile == "" {
		t.Log(coverage.String())
	}
}

// write notes what a process of TestSim has played so far.
func write(t *testing.T, c *Coverage) {
	if *outFile == "" {
		return
	}
	data, err := json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(*outFile, data, 0o600))
}

// Consecutive seeds are about all pairs of an option and a kind of fault in turn.
func TestSeedsAreAboutAllPairs(t *testing.T) {
	for _, n := range []uint64{1, 2, 16, 1024, 3424, 3425} {
		seen := make(map[uint64]bool)
		for seed := range n {
			seen[turn(seed, n)] = true
		}
		assert.Len(t, seen, int(n))
	}
	assert.NotEqual(t, pairOf(1).role, pairOf(2).role)
	assert.Equal(t, "cache", pairOf(7, "cache").role)
}

// Many seeds of TestPlay, in several processes: what `make sim` runs. When there are at least two seeds for each pair of an option
// and a kind of fault, a pair that was never played fails.
func TestSim(t *testing.T) {
	if *shards == 0 || *shard >= 0 {
		t.Skip("make sim plays it")
	}
	var all Coverage
	var processes sync.WaitGroup
	begun := time.Now()
	for i := range *shards {
		processes.Go(func() {
			p := process{t: t, out: filepath.Join(t.TempDir(), fmt.Sprint(i)), first: *from + i}
			p.run(&all)
		})
	}
	processes.Wait()
	took := time.Since(begun).Round(time.Second)
	t.Logf("%v\n%s in %v, %.1f schedules a second and process", &all, all.Summary(), took, float64(all.Plays)/float64(*shards)/took.Seconds())
	if missing := all.Missing(wantedRoles()...); int(*seeds) >= 2*len(pairs(wantedRoles()...)) {
		assert.Empty(t, missing, "pairs that were never played")
		for _, r := range cast {
			assert.True(t, all.Grants[r.name] > 0 || *oneRole != "", "%s got nothing in all plays", r.name)
		}
	}
}

// process is one that plays a part of the seeds.
type process struct {
	t     *testing.T
	out   string
	first uint64
}

// run plays until the process has come to the end of its seeds. After a seed that no process outlives it begins again with the next one.
func (p *process) run(all *Coverage) {
	for end := *from + *seeds; p.first < end; {
		err := p.play(end)
		data, readErr := os.ReadFile(p.out)
		if readErr == nil {
			var c Coverage
			assert.NoError(p.t, json.Unmarshal(data, &c))
			all.Merge(&c)
		}
		_ = os.Remove(p.out)
		if err != nil {
			p.t.Error(err)
		}
		last, _ := os.ReadFile(p.out + ".seed")
		seed, _ := strconv.ParseUint(string(last), 10, 64)
		p.first = max(p.first, seed) + *shards
	}
}

// play runs a process until it ends. What it finds is shown at once.
func (p *process) play(end uint64) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "-test.run", "^TestPlay$", "-test.v", "-test.timeout", "0", "-sim.roles", *oneRole, "-sim.out", p.out,
		"-sim.from", fmt.Sprint(p.first), "-sim.seeds", fmt.Sprint(end-p.first), "-sim.shards", fmt.Sprint(*shards), "-sim.shard", "0")
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Run(); err != nil {
		return fmt.Errorf("from seed %d: %w", p.first, err)
	}
	return nil
}
