package counter_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// A program that makes an Int for each write, and closes it, leaves nothing.
func TestClose(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, be32(0))
		cli := w.Connect("a")
		unused := counter.NewInt(cli, path)
		require.NoError(t, unused.Close(t.Context()))
		require.NoError(t, counter.NewInt(cli, path, counter.WithoutReceipt).Close(t.Context()))
		for range 3 {
			i := counter.NewInt(cli, path)
			_, err := i.Add(t.Context(), 1)
			require.NoError(t, err)
			assert.Len(t, w.List(path), 1)
			require.NoError(t, i.Close(t.Context()))
			assert.Empty(t, w.List(path), "at once")
			before := w.Counts()
			require.NoError(t, i.Close(t.Context()), "again")
			assert.Empty(t, w.Counts().Sub(before).Requests)
		}
		_, err := unused.Add(t.Context(), 1)
		require.NoError(t, err)
		require.NoError(t, unused.Close(t.Context()))
		sum, err := unused.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 5, sum, "it can be used again")
		assert.Len(t, w.List(path), 1)
	})
}

// Whatever is lost, and whatever has become of the receipt before, nothing stays.
func TestCloseDuringFaults(t *testing.T) {
	lose := func(stage zktest.Stage) func(*world, *framework.Client) {
		return func(w *world, _ *framework.Client) { w.onceOn(stage, zktest.OpMulti, zktest.Cut, nothing) }
	}
	for name, trouble := range map[string]func(w *world, cli *framework.Client){
		"never arrived":        lose(zktest.Request),
		"applied":              lose(zktest.Reply),
		"in the next session":  func(w *world, cli *framework.Client) { w.LoseSession("a") },
		"deleted before":       func(w *world, _ *framework.Client) { w.clear() },
		"deleted with a value": func(w *world, _ *framework.Client) { w.remove() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				i := counter.NewInt(cli, path)
				_, err := i.Add(t.Context(), 1)
				require.NoError(t, err)
				trouble(w, cli)
				require.NoError(t, i.Close(t.Context()))
				time.Sleep(3 * time.Minute) // of the servers' sweeping
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// A write is given up while its receipt is made or kept, and what it has asked for is applied all the same: nothing stays, although
// the session lives.
func TestCloseAfterAWriteThatIsGivenUp(t *testing.T) {
	for name, part := range map[string]string{"receipt": "/receipt-", "keeper": "/keeper-"} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				cli := w.Connect("a")
				var made atomic.Int32
				remove := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					_, last := framework.Split(f.Path)
					if f.Stage != zktest.Reply || !strings.HasPrefix("/"+last, part) {
						return zktest.Pass
					}
					made.Add(1)
					return zktest.Drop
				})
				i := counter.NewInt(cli, path)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := i.Add(ctx, 1)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Positive(t, made.Load())
				require.NotEmpty(t, w.List(path))
				remove()
				require.NoError(t, i.Close(t.Context()))
				assert.Empty(t, w.List(path), "at once")
			})
		})
	}
}

// A Close that is given up goes on in the background.
func TestCloseIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		i := counter.NewInt(w.Connect("a"), path)
		_, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Drop, nothing)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, i.Close(ctx), context.DeadlineExceeded)
		require.Len(t, w.List(path), 1)
		time.Sleep(3 * time.Minute)
		assert.Empty(t, w.List(path))
	})
}

// Close is given up behind a write that was given up before the receipt was kept: what goes on in the background leaves nothing.
func TestCloseIsGivenUpBehindAWriteThatWas(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, be32(0))
		i := counter.NewInt(w.Connect("a"), path)
		for _, given := range []struct {
			op zktest.Op
			up func(ctx context.Context) error
		}{
			{zktest.OpCreate2, func(ctx context.Context) error { _, err := i.Add(ctx, 1); return err }},
			{zktest.OpMulti, i.Close},
		} {
			w.onceOn(zktest.Request, given.op, zktest.Drop, nothing)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, given.up(ctx), context.DeadlineExceeded)
			cancel()
		}
		require.Len(t, w.List(path), 1)
		time.Sleep(3 * time.Minute)
		assert.Empty(t, w.List(path))
	})
}

// Close waits for a write, as long as ctx allows.
func TestCloseWaitsForAWrite(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		v := counter.NewValue(w.Connect("a"), path)
		_, err := v.Update(t.Context(), func([]byte) ([]byte, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, v.Close(ctx), context.DeadlineExceeded)
			return nil, nil
		})
		require.NoError(t, err)
		require.NoError(t, v.Close(t.Context()))
		assert.Empty(t, w.List(path))
	})
}

// The look at what became of a write whose answer was lost is behind a sync in the same session, whenever a session ends.
func TestLookInANewSessionIsNotBehind(t *testing.T) {
	for name, op := range map[string]zktest.Op{"before it": zktest.OpSetData, "behind its sync": zktest.OpGetData} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				cli := w.Connect("a", func(c *framework.Config) { c.OperationTimeout = -1 })
				i := counter.NewInt(cli, path)
				_, err := i.Add(t.Context(), 1)
				require.NoError(t, err)
				var order []zktest.Op
				w.onceOn(zktest.Reply, zktest.OpMulti, zktest.Cut, func() {
					w.OnFrame(func(f zktest.Frame) zktest.Verdict {
						if f.Stage == zktest.Request && (f.Op == zktest.OpSync || f.Op == zktest.OpGetData) {
							order = append(order, f.Op)
						}
						return zktest.Pass
					})
					w.onceOn(zktest.Request, op, zktest.Cut, func() { require.True(t, w.ExpireSession(w.Sessions()[0].ID)) })
				})
				sum, err := i.Add(t.Context(), 1)
				require.NoError(t, err)
				assert.EqualValues(t, 2, sum)
				require.EqualValues(t, 2, cli.State().Epoch)
				require.GreaterOrEqual(t, len(order), 2)
				assert.Equal(t, []zktest.Op{zktest.OpSync, zktest.OpGetData}, order[len(order)-2:])
			})
		})
	}
}

// A receipt whose keeper could not be made gets one by the next write, also if there is no session when that begins.
func TestKeeperIsMadeLater(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, be32(0))
		cli := w.Connect("a", func(c *framework.Config) { c.OperationTimeout = -1 })
		i := counter.NewInt(cli, path)
		w.onceOn(zktest.Request, zktest.OpCreate2, zktest.Drop, nothing)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := i.Add(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
		w.Refuse()
		w.Cut(zktest.AllConns())
		time.Sleep(2 * timeout)
		done := make(chan error, 1)
		go func() {
			_, err := i.Add(t.Context(), 1)
			done <- err
		}()
		time.Sleep(time.Second)
		require.NoError(t, w.Accept())
		require.NoError(t, <-done)
		require.Len(t, w.List(path), 1)
		keepers, err := w.Children(path + "/" + w.List(path)[0])
		require.NoError(t, err)
		assert.Len(t, keepers, 1)
	})
}

// Two add and close, and a session ends at some frame. No keeper is left under a name by which Close does not find it.
func TestCloseAfterALostSession(t *testing.T) {
	for at := 0; at < 120; at += 3 {
		bubble(t, func(t *testing.T, w *world) {
			frames := 0
			var sessions []int64
			var ints []*counter.Int
			for _, name := range []string{"a", "b"} {
				cli := w.Connect(name)
				s, err := cli.Session(t.Context())
				require.NoError(t, err)
				sessions, ints = append(sessions, s.ID()), append(ints, counter.NewInt(cli, path))
			}
			w.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if frames++; frames == at {
					w.ExpireSession(sessions[at%2])
				}
				return zktest.Pass
			})
			var all sync.WaitGroup
			for _, i := range ints {
				all.Go(func() {
					for range 6 {
						_, err := i.Add(t.Context(), 1)
						assert.NoError(t, err)
						assert.NoError(t, i.Close(t.Context()))
					}
				})
			}
			all.Wait()
			time.Sleep(5 * time.Minute) // for the servers to sweep
			left, err := w.Children(path)
			require.NoError(t, err)
			assert.Empty(t, left, "lost at frame %d", at)
		})
	}
}
