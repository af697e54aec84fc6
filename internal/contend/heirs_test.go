package contend_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/zktest"
)

// acquiring is an acquire under way.
type acquiring struct {
	stop    context.CancelFunc
	granted chan *contend.Claim
}

// acquire lets a place of a session queue. It returns when the place has been created, after much less than the time in which a claim can have an
// heir. It runs in a bubble.
func (w *world) acquire(s *framework.Session) acquiring {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	a := acquiring{stop, make(chan *contend.Claim, 1)}
	go func() {
		claim, err := strict.Acquire(ctx, s, hold)
		if err != nil {
			assert.ErrorIs(w.t, err, context.Canceled)
			return
		}
		a.granted <- claim
	}()
	time.Sleep(2 * time.Millisecond)
	return a
}

// The places of one client hand a queue to each other with the answer to the release.
func TestHeirsNeedNoListAndNoWatch(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		list := []acquiring{w.acquire(s), w.acquire(s), w.acquire(s)}
		for i, a := range list {
			claim := <-a.granted
			before := w.Counts()
			require.NoError(t, claim.Release(t.Context()))
			time.Sleep(2 * time.Millisecond)
			want := map[zktest.Op]int64{zktest.OpDelete: 1, zktest.OpExists: 1}
			if i == len(list)-1 {
				delete(want, zktest.OpExists)
			}
			cost := w.Counts().Sub(before)
			assert.Equal(t, want, cost.Requests, "release %d", i)
			assert.Zero(t, cost.Events)
		}
	})
}

// Whatever becomes of a claim and of its heir, the queue goes on in its order.
func TestHeirsInTrouble(t *testing.T) {
	for name, trouble := range map[string]func(t *testing.T, w *world, held *contend.Claim, heir acquiring) (next string){
		"the heir's node is deleted": func(t *testing.T, w *world, held *contend.Claim, _ acquiring) string {
			require.NoError(t, w.Delete(strict.Dir+"/"+w.inOrder()[1]))
			require.NoError(t, held.Release(t.Context()))
			return "other"
		},
		"the claim's node is deleted": func(t *testing.T, w *world, held *contend.Claim, _ acquiring) string {
			require.NoError(t, w.Delete(held.Path()))
			return "heir"
		},
		"the claim's node is deleted before its release": func(t *testing.T, w *world, held *contend.Claim, _ acquiring) string {
			require.NoError(t, w.Delete(held.Path()))
			require.ErrorIs(t, held.Release(t.Context()), contend.ErrDeleted)
			return "heir"
		},
		"the heir gives up": func(t *testing.T, w *world, held *contend.Claim, heir acquiring) string {
			heir.stop()
			require.NoError(t, held.Release(t.Context()))
			return "other"
		},
		"the answer to the release is lost": func(t *testing.T, w *world, held *contend.Claim, _ acquiring) string {
			w.cutOnce(zktest.Reply, zktest.OpDelete)
			require.NoError(t, held.Release(t.Context()))
			return "heir"
		},
		"the answer to the look is lost": func(t *testing.T, w *world, held *contend.Claim, _ acquiring) string {
			w.cutOnce(zktest.Reply, zktest.OpExists)
			require.NoError(t, held.Release(t.Context()))
			return "heir"
		},
		"the claim lasts": afterASecond,
		"nothing": func(t *testing.T, w *world, held *contend.Claim, _ acquiring) string {
			require.NoError(t, held.Release(t.Context()))
			return "heir"
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, s := w.client("a")
				_, b := w.client("b")
				first, heir, other := w.acquire(s), w.acquire(s), w.acquire(b)
				next := trouble(t, w, <-first.granted, heir)
				turns := map[string]acquiring{"heir": heir, "other": other}
				claim := <-turns[next].granted
				delete(turns, next)
				time.Sleep(time.Second)
				for _, a := range turns {
					require.Empty(t, a.granted)
				}
				require.NoError(t, claim.Release(t.Context()))
				for last, a := range turns {
					if last == "heir" && name == "the heir gives up" {
						continue
					}
					require.NoError(t, (<-a.granted).Release(t.Context()))
				}
				assert.Empty(t, w.nodes())
			})
		})
	}
}

// afterASecond releases a claim that has lasted. It runs in a bubble.
func afterASecond(t *testing.T, _ *world, held *contend.Claim, _ acquiring) string {
	time.Sleep(time.Second)
	require.NoError(t, held.Release(t.Context()))
	return "heir"
}

// A place of another client that has come in between goes first.
func TestPlaceBetweenTwoOfOneClient(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		_, b := w.client("b")
		first, between, last := w.acquire(s), w.acquire(b), w.acquire(s)
		require.NoError(t, (<-first.granted).Release(t.Context()))
		claim := <-between.granted
		time.Sleep(time.Second)
		require.Empty(t, last.granted)
		require.NoError(t, claim.Release(t.Context()))
		require.NoError(t, (<-last.granted).Release(t.Context()))
	})
}

// inOrder are the names of the places of the queue.
func (w *world) inOrder() (names []string) {
	order, _ := strict.Dialect.Arrange(w.nodes())
	for _, n := range order {
		names = append(names, n.Full)
	}
	return names
}

// cutOnce breaks the connection at the next frame of a kind.
func (w *world) cutOnce(stage zktest.Stage, op zktest.Op) {
	done := false
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if done || f.Stage != stage || f.Op != op {
			return zktest.Pass
		}
		done = true
		return zktest.Cut
	})
}
