package counter_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/zktest"
)

// others write to the value, through a client that is not seen.
func (w *world) others(data []byte) func() {
	return func() { require.NoError(w.t, w.Set(path, data)) }
}

// Whatever is lost and whoever writes meanwhile, Add is applied once, and knows it.
func TestAddWithALostAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		stage     zktest.Stage
		meanwhile bool // somebody else writes, the very number that this Add would
		want      int64
	}{
		"never arrived":                    {zktest.Request, false, 1},
		"applied":                          {zktest.Reply, false, 1},
		"never arrived, others were first": {zktest.Request, true, 2},
		"applied, others after it":         {zktest.Reply, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				i := counter.NewInt(w.Connect("a"), path)
				meanwhile := nothing
				if c.meanwhile {
					meanwhile = w.others(be32(1))
				}
				w.onceOn(c.stage, zktest.OpMulti, zktest.Cut, meanwhile)
				sum, err := i.Add(t.Context(), 1)
				require.NoError(t, err)
				assert.Equal(t, c.want, sum)
				version := int32(1)
				if c.meanwhile {
					version = 2
				}
				assert.Equal(t, version, w.version(path))
				sum, err = i.Add(t.Context(), 10)
				require.NoError(t, err)
				got, err := i.Get(t.Context())
				require.NoError(t, err)
				assert.Equal(t, sum, got.Value)
				assert.Equal(t, version+1, got.Version)
			})
		})
	}
}

// The version that a recovered write returns is the one it made, though others have written since.
func TestVersionOfARecoveredWrite(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, nil)
		v := counter.NewValue(w.Connect("a"), path)
		lose := func() { w.onceOn(zktest.Reply, zktest.OpMulti, zktest.Cut, w.others([]byte("theirs"))) }
		lose()
		version, err := v.CompareAndSet(t.Context(), 0, []byte("mine"))
		require.NoError(t, err)
		assert.EqualValues(t, 1, version)
		lose()
		done, err := v.Update(t.Context(), func(old []byte) ([]byte, error) { return append(old, " and mine"...), nil })
		require.NoError(t, err)
		assert.Equal(t, bytesAt(3, "theirs and mine"), done)
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Cut, nothing)
		version, err = v.CompareAndSet(t.Context(), 4, []byte("mine"))
		require.NoError(t, err)
		assert.EqualValues(t, 5, version)
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Cut, w.others([]byte("theirs")))
		_, err = v.CompareAndSet(t.Context(), 5, []byte("mine"))
		require.ErrorIs(t, err, framework.ErrBadVersion)
		require.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.Equal(t, "theirs", string(w.data(path)))
	})
}

// The answer to the question what became of a write can be lost as well, in each way.
func TestEveryAnswerIsLost(t *testing.T) {
	stages := []zktest.Stage{zktest.Request, zktest.Reply}
	for _, add := range stages {
		for _, fence := range stages {
			for _, look := range append(stages, zktest.Event) { // the last stands for: not at all
				t.Run(fmt.Sprint(add, " ", fence, " ", look), func(t *testing.T) {
					bubble(t, func(t *testing.T, w *world) {
						w.raise(path, be32(0))
						i := counter.NewInt(w.Connect("a"), path)
						_, err := i.Add(t.Context(), 100)
						require.NoError(t, err)
						w.onceOn(add, zktest.OpMulti, zktest.Cut, func() {
							cut := 0
							w.OnFrame(func(f zktest.Frame) zktest.Verdict {
								if f.Stage == fence && f.Op == zktest.OpSetData && cut == 0 ||
									f.Stage == look && (f.Op == zktest.OpGetData || f.Op == zktest.OpSync) && cut == 1 {
									cut++
									return zktest.Cut
								}
								return zktest.Pass
							})
						})
						sum, err := i.Add(t.Context(), 1)
						require.NoError(t, err)
						assert.EqualValues(t, 101, sum)
						assert.Equal(t, be32(101), w.data(path))
						assert.EqualValues(t, 2, w.version(path))
					})
				})
			}
		}
	}
}

// With the session lost, too: the receipt outlives it, for a while.
func TestAddInASessionThatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		stage  zktest.Stage
		away   time.Duration
		others bool
		anew   bool // somebody deletes the value and creates it again
		want   error
		sum    int64
	}{
		"never arrived":                      {stage: zktest.Request, away: 20 * time.Second, sum: 1},
		"applied":                            {stage: zktest.Reply, away: 20 * time.Second, sum: 1},
		"never arrived, others were first":   {stage: zktest.Request, away: 20 * time.Second, others: true, sum: 8},
		"applied, others after it":           {stage: zktest.Reply, away: 20 * time.Second, others: true, sum: 1},
		"never arrived, swept":               {stage: zktest.Request, away: time.Hour, sum: 1},
		"applied, swept":                     {stage: zktest.Reply, away: time.Hour, want: framework.ErrOutcomeUnknown},
		"never arrived, another node, swept": {stage: zktest.Request, away: time.Hour, anew: true, want: framework.ErrOutcomeUnknown},
		"never arrived, others first, swept": {stage: zktest.Request, away: time.Hour, others: true, want: framework.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				cli := w.Connect("a", func(c *framework.Config) { c.OperationTimeout = -1 })
				i := counter.NewInt(cli, path)
				meanwhile := nothing
				if c.others {
					meanwhile = w.others(be32(7))
				}
				if c.anew {
					meanwhile = func() { w.remove(); w.raise(path, be32(0)) }
				}
				healed := make(chan struct{})
				w.onceOn(c.stage, zktest.OpMulti, zktest.Cut, func() {
					meanwhile()
					heal := w.Silence("a")
					time.AfterFunc(c.away, func() { heal(); close(healed) })
				})
				sum, err := i.Add(t.Context(), 1)
				<-healed
				require.ErrorIs(t, err, c.want)
				assert.Equal(t, c.sum, sum)
				assert.EqualValues(t, 2, cli.State().Epoch)
				before := w.data(path)
				_, err = i.Add(t.Context(), 1)
				require.NoError(t, err)
				assert.Equal(t, before[3]+1, w.data(path)[3])
			})
		})
	}
}

// A network can hold a request back beyond the end of the session that it was sent in, while the servers still keep that. When
// it comes it must not be applied beside the repetition: neither behind it, nor ahead of it, when it was already found
// not to be applied.
func TestRequestThatComesLate(t *testing.T) {
	for name, behind := range map[string]bool{"behind the repetition": true, "ahead of it": false} {
		t.Run(name, func(t *testing.T) {
			bubbleWith(t, zktest.Config{TickTime: 40 * time.Second, MinSessionTimeout: time.Second}, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				cli := w.Connect("a", func(c *framework.Config) { c.OperationTimeout = -1 })
				i := counter.NewInt(cli, path)
				_, err := i.Add(t.Context(), 100)
				require.NoError(t, err)
				before, conn := w.Counts(), w.Sessions()[0].Conn.ID
				w.onceOn(zktest.Reply, zktest.OpGetData, zktest.Pass, func() { // from the multi on
					away := w.Blackhole(zktest.ClientConns("a"), zktest.ToServer)
					late := w.Blackhole(func(c zktest.ConnInfo) bool { return c.ID == conn }, zktest.ToServer)
					time.AfterFunc(15*time.Second, away)
					op := zktest.OpSetData // which makes sure that it was not applied
					if behind {
						op = zktest.OpMulti
					}
					w.onceOn(zktest.Reply, op, zktest.Pass, late)
				})
				sum, err := i.Add(t.Context(), 1)
				require.NoError(t, err)
				assert.EqualValues(t, 101, sum)
				assert.EqualValues(t, 2, cli.State().Epoch)
				time.Sleep(time.Second)
				require.EqualValues(t, 2, w.Counts().Sub(before).Requests[zktest.OpMulti], "both have come")
				assert.Equal(t, be32(101), w.data(path))
				_, err = i.Add(t.Context(), 1)
				require.NoError(t, err)
				assert.Equal(t, be32(102), w.data(path))
			})
		})
	}
}

// Nor may the set of the receipt be taken for applied when it was lost, and nobody looked.
func TestSetOfTheReceiptIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.raise(path, be32(0))
		cli := w.Connect("a", func(c *framework.Config) { c.RetryPolicy = retry.NTimes(1, time.Second) })
		i := counter.NewInt(cli, path)
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Cut, nothing)
		w.onceOn(zktest.Request, zktest.OpSetData, zktest.Cut, func() {
			w.onceOn(zktest.Request, zktest.OpSetData, zktest.Cut, nothing) // and again
		})
		before := w.Counts()
		sum, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 1, sum)
		assert.EqualValues(t, 1, w.Counts().Sub(before).Requests[zktest.OpSetData])
	})
}

// Given up with its outcome open, and what comes after it is exact again, whether it is applied late or not.
func TestAddIsGivenUp(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"before it is applied": zktest.Request, "applied": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				i := counter.NewInt(w.Connect("a"), path)
				_, err := i.Add(t.Context(), 100)
				require.NoError(t, err)
				w.onceOn(stage, zktest.OpMulti, zktest.DelayBy(2*time.Second), nothing)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				at := time.Now()
				_, err = i.Add(ctx, 1)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, time.Second, time.Since(at))
				sum, err := i.Add(t.Context(), 10)
				require.NoError(t, err)
				assert.Contains(t, []int64{110, 111}, sum)
				got := w.data(path)
				time.Sleep(time.Minute)
				assert.Equal(t, got, w.data(path), "nothing comes after that")
				assert.Equal(t, be32(int32(sum)), got)
			})
		})
	}
}

// What was certainly not sent is not called unknown.
func TestAddThatWasNotSent(t *testing.T) {
	for _, op := range []zktest.Op{zktest.OpGetData, zktest.OpCreateContainer, zktest.OpCreate2} {
		t.Run(op.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				i := counter.NewInt(w.Connect("a"), path)
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Op == op {
						return zktest.Drop
					}
					return zktest.Pass
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := i.Add(ctx, 1)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
				assert.Zero(t, w.version(path))
			})
		})
	}
}

// The cheap variant does not know, and says so.
func TestLostAnswerWithoutReceipt(t *testing.T) {
	for stage, want := range map[zktest.Stage]error{zktest.Request: nil, zktest.Reply: framework.ErrOutcomeUnknown} {
		t.Run(stage.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.raise(path, be32(0))
				i := counter.NewInt(w.Connect("a"), path, counter.WithoutReceipt)
				w.onceOn(stage, zktest.OpSetData, zktest.Cut, nothing)
				_, err := i.Add(t.Context(), 1)
				require.ErrorIs(t, err, want)
				assert.EqualValues(t, 1, w.version(path))
			})
		})
	}
}

// Receipts go by themselves: with the client, after a crash, and not while they are needed.
func TestReceiptsAreSwept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		closing, crashing := w.Connect("closing"), w.Connect("crashing")
		kept := counter.NewInt(w.Connect("kept"), path)
		for _, i := range []*counter.Int{kept, counter.NewInt(closing, path), counter.NewInt(crashing, path)} {
			_, err := i.Add(t.Context(), 1)
			require.NoError(t, err)
		}
		require.Len(t, w.List(path), 3)
		for _, name := range w.List(path) {
			assert.Equal(t, zktest.Container, w.Dump()[path+"/"+name].Mode)
		}
		require.NoError(t, closing.Close())
		heal := w.Silence("crashing")
		time.Sleep(3 * time.Minute)
		assert.Len(t, w.List(path), 1)
		before := w.Counts()
		_, err := kept.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 1, w.Counts().Sub(before).Requests[zktest.OpMulti])
		heal()
	})
}

// A Value whose receipt is gone makes another: swept in between two sessions, or deleted together with the value.
func TestReceiptIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		i := counter.NewInt(w.Connect("a"), path)
		_, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		w.clear()
		before := w.Counts()
		sum, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 2, sum)
		assert.EqualValues(t, 2, w.Counts().Sub(before).Requests[zktest.OpMulti], "a refused one, and again")
		require.Len(t, w.List(path), 1)
		keepers, err := w.Children(path + "/" + w.List(path)[0])
		require.NoError(t, err)
		assert.Len(t, keepers, 1)
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Pass, func() {
			w.remove()
		})
		sum, err = i.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 1, sum)
	})
}

// The client was away for so long that the receipt was swept, with nothing under way.
func TestReceiptIsSweptWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		i := counter.NewInt(cli, path)
		_, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		heal := w.Silence("a")
		time.Sleep(time.Hour)
		require.Empty(t, w.List(path))
		heal()
		require.NoError(t, cli.WaitConnected(t.Context()))
		sum, err := i.Add(t.Context(), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 2, sum)
	})
}

// Whoever writes to a receipt that is not his disturbs nothing.
func TestReceiptIsWrittenByOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		i := counter.NewInt(w.Connect("a"), path)
		for n := range 3 {
			w.onceOn(zktest.Request, zktest.OpMulti, zktest.Pass, func() {
				for range n {
					require.NoError(t, w.Set(path+"/"+w.List(path)[0], []byte("1")))
				}
			})
			sum, err := i.Add(t.Context(), 1)
			require.NoError(t, err)
			assert.EqualValues(t, n+1, sum)
		}
		assert.Equal(t, be32(3), w.data(path))
	})
}

// A value that was deleted and created again has old versions anew. A write for the old one does not hit the new one.
func TestValueIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		v := counter.NewValue(w.Connect("a"), path)
		require.NoError(t, v.Set(t.Context(), nil))
		w.onceOn(zktest.Request, zktest.OpMulti, zktest.Pass, func() {
			w.remove()
			w.raise(path, []byte("new"))
			w.others([]byte("new"))()
		})
		done, err := v.Update(t.Context(), func(old []byte) ([]byte, error) { return append(old, '!'), nil })
		require.NoError(t, err)
		assert.Equal(t, bytesAt(2, "new!"), done)
	})
}
