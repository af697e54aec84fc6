package cache_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// chaos changes the tree and breaks the client's connections, as a seed says.
type chaos struct {
	*world
	cli *framework.Client
	rnd *rand.Rand
}

func newChaos(w *world, cli *framework.Client, seed uint64) *chaos {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	return &chaos{w, cli, rand.New(rand.NewChaCha8(sha256.Sum256(key[:])))}
}

// name is one of few, so that nodes are deleted and created again.
func (c *chaos) name() string { return fmt.Sprintf("n%d", c.rnd.IntN(4)) }

// path is one of those that the test works on, root first.
func (c *chaos) path() string {
	path := "/r"
	for range c.rnd.IntN(4) {
		path += "/" + c.name()
	}
	return path
}

// write does something to a node, if it can be done.
func (c *chaos) write() {
	path := c.path()
	switch c.rnd.IntN(6) {
	case 0, 1:
		_, _ = c.Create(path, fmt.Append(nil, c.rnd.IntN(1000)), zktest.Persistent)
	case 2:
		_ = c.Set(path, fmt.Append(nil, c.rnd.IntN(1000)))
	case 3:
		_ = c.Delete(path)
	case 4:
		if c.Exists(path) && c.rnd.IntN(3) == 0 {
			c.raze(path)
		}
	case 5:
		for _, s := range c.Sessions() {
			_, _ = c.CreateFor(s.ID, path, nil, zktest.Ephemeral)
		}
	}
}

// hurt breaks something.
func (c *chaos) hurt() {
	switch c.rnd.IntN(5) {
	case 0:
		c.Cut(zktest.ClientConns("c"))
	case 1:
		heal := c.Blackhole(zktest.ClientConns("c"), zktest.Direction(c.rnd.IntN(3)))
		time.AfterFunc(time.Duration(c.rnd.Int64N(int64(2*timeout))), heal)
	case 2:
		c.ExpireSession(c.cli.State().SessionID)
	case 3:
		heal := c.Delay(zktest.ClientConns("c"), time.Duration(c.rnd.IntN(300))*time.Millisecond)
		time.AfterFunc(time.Duration(c.rnd.Int64N(int64(timeout))), heal)
	case 4:
		c.lose()
	}
}

// lose cuts the connection at one of the next frames.
func (c *chaos) lose() {
	n := c.rnd.IntN(20)
	c.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Conn.Client != "c" || n < 0 {
			return zktest.Pass
		}
		if n--; n < 0 {
			return zktest.Cut
		}
		return zktest.Pass
	})
}

// Scenario 32.
func TestRandomKillsExpiriesAndWrites(t *testing.T) {
	seeds := 50
	if testing.Short() {
		seeds = 20
	}
	for _, way := range slices.Sorted(maps.Keys(ways)) {
		for seed := range uint64(seeds) {
			t.Run(fmt.Sprintf("%s/seed=%d", way, seed), func(t *testing.T) {
				if seed%3 > 0 {
					t.Cleanup(cache.AskAlways())
				}
				once(t, zktest.Config{Seed: seed}, ways[way], func(t *testing.T, w *world) {
					if seed%4 == 0 {
						w.lacking(zktest.AnswerWith(zktest.ErrUnimplemented))
					}
					ordeal(w, seed)
				})
			})
		}
	}
}

// ordeal is one run, in a bubble.
func ordeal(w *world, seed uint64) {
	cli := w.Connect("c")
	tree := w.open(cli, "/r", cache.Parallel(1+int(seed%5)))
	r := w.record(tree)
	late := w.record(tree)
	s := &stepper{recorder: newRecorder(w)}
	c := newChaos(w, cli, seed)
	for i := range 400 {
		c.write()
		if i%10 == 0 {
			s.step(tree)
		}
		switch pause := c.rnd.IntN(20); {
		case pause == 0:
			time.Sleep(time.Duration(c.rnd.Int64N(int64(time.Second))))
		case pause < 10:
			time.Sleep(time.Duration(c.rnd.Int64N(int64(3 * time.Millisecond))))
		}
		if c.rnd.IntN(20) == 0 {
			c.hurt()
		}
		if i == 200 {
			late = w.record(tree)
		}
	}
	time.Sleep(2 * timeout) // black holes heal
	require.NoError(w.t, tree.WaitFresh(w.t.Context()))
	require.NoError(w.t, tree.Sync(w.t.Context()))
	synctest.Wait()
	w.equal(tree, "/r")
	r.equal(tree)
	late.equal(tree)
	s.step(tree)
	s.equal(tree)
	lines := slices.DeleteFunc(r.take(), func(l string) bool { return l != "Synced /r" && l != "Stale /r" })
	for i, line := range lines {
		require.Equal(w.t, []string{"Synced /r", "Stale /r"}[i%2], line, "%s", strings.Join(lines, "\n"))
	}
	require.Equal(w.t, 1, len(lines)%2, "it is told that the cache is fresh")
}
