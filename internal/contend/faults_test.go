package contend_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/zktest"
)

// trial is a Strict queue with many contenders of few clients, in which things go wrong at random.
type trial struct {
	*world
	r *rand.Rand

	mu      sync.Mutex
	forced  map[string]int          // nodes that were deleted by force, and how many were ahead of them then
	expired map[int64]bool          // sessions
	holds   map[*contend.Claim]bool // that were granted and are not released
	granted int
	lossy   bool // events get lost
	missed  int  // events that are to get lost
}

// seeds are how many trials there are.
var seeds = flag.Int("contend.seeds", 4, "how many trials TestStrictQueueGrantsInOrderUnderFaults has")

// A claim is only granted to a node that has none ahead of it, whatever becomes of nodes, callers and connections, and everybody gets one.
func TestStrictQueueGrantsInOrderUnderFaults(t *testing.T) {
	for seed := range uint64(*seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := &trial{world: w, r: rand.New(rand.NewPCG(seed, 1)), forced: map[string]int{}, expired: map[int64]bool{}, holds: map[*contend.Claim]bool{}}
				b.lossy = seed%2 == 1
				if seed%4 >= 2 {
					b.others(60)
				}
				b.run(3, 4)
			})
		})
	}
}

// others adds children to the directory that do not compete. With them a list costs more than watches do.
func (b *trial) others(n int) {
	_, err := b.Create(strict.Dir, nil, zktest.Persistent)
	require.NoError(b.t, err)
	for i := range n {
		_, err := b.Create(fmt.Sprintf("%s/other-%d", strict.Dir, i), nil, zktest.Persistent)
		require.NoError(b.t, err)
	}
}

// run starts contenders, each of which wants its turn some times. It runs in a bubble.
func (b *trial) run(clients, each int) {
	const turns = 5
	var all sync.WaitGroup
	for i := range clients {
		cli, _ := b.client(fmt.Sprint("client ", i))
		for range each {
			r := rand.New(rand.NewPCG(b.r.Uint64(), 0))
			all.Go(func() {
				for range turns {
					b.turn(cli, r)
				}
			})
		}
	}
	stop := make(chan struct{})
	go func() {
		all.Wait()
		close(stop)
	}()
	b.OnFrame(b.lose)
	for range 150 {
		b.trouble(clients)
		time.Sleep(time.Duration(b.r.IntN(int(20 * time.Millisecond))))
	}
	<-stop
	assert.Equal(b.t, clients*each*turns, b.granted)
}

// turn is one acquire that has to succeed in the end, and the release. It runs in a bubble.
func (b *trial) turn(cli *framework.Client, r *rand.Rand) {
	for {
		ctx, stop := context.WithCancel(b.t.Context())
		if r.IntN(4) == 0 {
			ctx, stop = context.WithTimeout(ctx, time.Duration(r.IntN(int(30*time.Millisecond))))
		}
		var claim *contend.Claim
		err := cli.Run(ctx, framework.Recipe{Name: "test", Path: strict.Dir, Policy: contend.Waiting,
			Run: func(ctx context.Context, s *framework.Session) (err error) {
				claim, err = strict.Acquire(ctx, s, hold)
				return err
			}})
		if err == nil {
			b.granting(claim)
			time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			b.mu.Lock()
			delete(b.holds, claim)
			b.mu.Unlock()
			_ = claim.Release(b.t.Context())
			stop()
			return
		}
		stop()
		if !errors.Is(err, context.DeadlineExceeded) {
			assert.NoError(b.t, err)
		}
	}
}

// granting checks a claim that was granted.
func (b *trial) granting(c *contend.Claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.granted++
	if b.gone(c) {
		assert.True(b.t, b.forced[c.Path()] == 0 || b.lossy, "granted although its node was deleted when others were ahead")
		return
	}
	order, _ := strict.Dialect.Arrange(b.nodes())
	if len(order) == 0 || strict.Dir+"/"+order[0].Full != c.Path() {
		assert.Fail(b.t, "granted out of turn", "%s is not the first of %v", c.Path(), order)
	}
	for other := range b.holds {
		assert.True(b.t, b.gone(other), "%s is held, too", other.Path())
	}
	b.holds[c] = true
}

// gone reports whether somebody has deleted the node of a claim. The mutex is held.
func (b *trial) gone(c *contend.Claim) bool {
	_, forced := b.forced[c.Path()]
	return forced || b.expired[c.Session().ID()]
}

// trouble is one thing that goes wrong.
func (b *trial) trouble(clients int) {
	client := fmt.Sprint("client ", b.r.IntN(clients))
	order, _ := strict.Dialect.Arrange(b.nodes())
	if len(order) == 0 {
		return
	}
	switch b.r.IntN(9) {
	case 0, 1:
		b.force(order[b.r.IntN(len(order))].Full)
	case 2: // the farther one first: whoever waits behind both hears of its own first, or not at all
		n := min(1+b.r.IntN(4), len(order))
		for _, name := range slices.Backward(order[:n]) {
			b.force(name.Full)
		}
	case 3:
		b.Cut(zktest.ClientConns(client))
	case 4:
		heal := b.Delay(zktest.ClientConns(client), time.Duration(b.r.IntN(int(10*time.Millisecond))))
		time.AfterFunc(20*time.Millisecond, heal)
	case 5:
		_ = b.Set(strict.Dir+"/"+order[b.r.IntN(len(order))].Full, []byte("changed"))
	case 6:
		_, _ = b.Create(strict.Dir+"/lock-orders", nil, zktest.Persistent)
	case 7:
		b.mu.Lock()
		if b.lossy {
			b.missed++
		}
		b.mu.Unlock()
	case 8:
		if _, stat, err := b.Get(strict.Dir + "/" + order[0].Full); err == nil {
			b.mu.Lock()
			b.expired[stat.EphemeralOwner] = true
			b.mu.Unlock()
			b.ExpireSession(stat.EphemeralOwner)
		}
	}
}

// lose has some events get lost.
func (b *trial) lose(f zktest.Frame) zktest.Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.Stage != zktest.Event || b.missed == 0 {
		return zktest.Pass
	}
	b.missed--
	return zktest.Drop
}

// force deletes a node.
func (b *trial) force(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	order, _ := strict.Dialect.Arrange(b.nodes())
	at := slices.IndexFunc(order, func(n seqnode.Name) bool { return n.Full == name })
	if b.Delete(strict.Dir+"/"+name) == nil {
		b.forced[strict.Dir+"/"+name] = at
	}
}
