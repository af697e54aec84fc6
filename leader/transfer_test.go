package leader_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// queue is how docent orders an election.
var queue = contend.Queue{Dir: path, Dialect: seqnode.AnyElection}

// stage is an election in which a leads, and b, c and d wait in this order, each on a client of that name.
type stage struct {
	*world
	elections map[string]*leader.Election
	waiting   map[string]<-chan outcome
	stop      map[string]context.CancelFunc // ends the campaigns of those who wait
	term      *leader.Term                  // of a
}

// set fills the stage. It runs in a bubble.
func (w *world) set(opts ...leader.Option) *stage {
	w.t.Helper()
	s := &stage{world: w, elections: map[string]*leader.Election{}, waiting: map[string]<-chan outcome{}, stop: map[string]context.CancelFunc{}}
	for i, name := range []string{"a", "b", "c", "d"} {
		e := leader.New(w.Connect(name), path, append(opts, leader.WithID(name))...)
		s.elections[name] = e
		if i == 0 {
			s.term = elected(w.t, e)
			continue
		}
		ctx, stop := context.WithCancel(w.t.Context())
		s.stop[name] = stop
		s.waiting[name] = w.campaign(ctx, e, len(w.List(path))/i*(i+1))
	}
	time.Sleep(time.Second)
	return s
}

// order is the ids in the election, the leader first.
func (s *stage) order() []string {
	s.t.Helper()
	list, err := s.elections["d"].Participants(s.t.Context())
	require.NoError(s.t, err)
	var ids []string
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

// path is the node of a participant.
func (s *stage) path(id string) string {
	s.t.Helper()
	names, err := s.Children(path)
	require.NoError(s.t, err)
	for _, name := range names {
		if data, _, err := s.Get(path + "/" + name); err == nil && string(data) == id {
			return path + "/" + name
		}
	}
	s.t.Fatalf("%s is not there", id)
	return ""
}

// leave ends the campaign of one who waits and whose node that is. The node is gone when it returns.
func (s *stage) leave(id, node string) {
	s.stop[id]()
	assert.NoError(s.t, s.Delete(node))
}

// onMulti lets f run once, when a transfer arrives at the server, which then does with it what verdict says.
func (w *world) onMulti(verdict zktest.Verdict, f func()) (done *bool) {
	done = new(bool)
	w.OnFrame(func(fr zktest.Frame) zktest.Verdict {
		if *done || fr.Stage != zktest.Request || fr.Op != zktest.OpMulti {
			return zktest.Pass
		}
		*done = true
		f()
		return verdict
	})
	w.t.Cleanup(func() { require.True(w.t, *done, "no transfer came: the test tests nothing") })
	return done
}

// Leadership goes to whom it was given, without a moment at which nobody leads, and past those who were displaced.
func TestTransfer(t *testing.T) {
	for name, opts := range map[string][]leader.Option{
		"default": nil, "selector": {leader.Selector()}, "shared": {leader.Shared()}, "hold": {leader.Hold(0)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				s := w.set(opts...)
				seen := s.elections["d"].Observe(t.Context())
				before := s.term.Token()
				require.NoError(t, s.term.ResignTo(t.Context(), "c"))
				assert.ErrorIs(t, context.Cause(s.term.Context()), leader.ErrResigned)
				c := won(t, s.waiting["c"])
				assert.Greater(t, c.Token(), before)
				time.Sleep(time.Second)
				assert.Equal(t, []string{"c", "d", "b"}, s.order(), "b has queued again")
				assert.Empty(t, s.waiting["b"])
				assert.Empty(t, s.waiting["d"])
				assert.Equal(t, "a", (<-seen.C).ID)
				assert.Equal(t, "c", (<-seen.C).ID)
				assert.Empty(t, seen.C)
				assert.NoError(t, s.term.Resign(t.Context()), "it is over, and was when it was asked to be")
				assert.ErrorIs(t, s.term.ResignTo(t.Context(), "d"), leader.ErrNotLeader)

				require.NoError(t, c.ResignTo(t.Context(), "d"), "who is next anyway")
				d := won(t, s.waiting["d"])
				require.NoError(t, d.Resign(t.Context()))
				require.NoError(t, won(t, s.waiting["b"]).Resign(t.Context()))
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// At no moment does the server have an election in which anybody but the old leader or the new one is first.
func TestTransferIsOneChange(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		old, next := s.term.Path(), s.path("d")
		frames := 0
		remove := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			frames++
			list, err := w.Children(path)
			assert.NoError(t, err)
			first := queue.First(list)
			assert.Contains(t, []string{old, next}, first, f)
			return zktest.Pass
		})
		require.NoError(t, s.term.ResignTo(t.Context(), "d"))
		won(t, s.waiting["d"])
		time.Sleep(time.Second)
		assert.Equal(t, []string{"d", "b", "c"}, s.order())
		remove()
		assert.Greater(t, frames, 20)
	})
}

// What a transfer costs: two looks at the queue, one transaction, and for each one who is displaced a list, a new node with a
// list, and a look behind the old one in the background.
func TestCostOfATransfer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		before := w.Counts()
		require.NoError(t, s.term.ResignTo(t.Context(), "c"))
		cost := w.Counts().Sub(before)
		assert.EqualValues(t, 1, cost.Requests[zktest.OpMulti])
		before = w.Counts()
		won(t, s.waiting["c"])
		time.Sleep(10 * time.Millisecond)
		total := w.Counts().Sub(before)
		assert.LessOrEqual(t, total.RoundTrips(), int64(7))
		t.Logf("transfer: %v, then %v", cost.Requests, total.Requests)
	})
}

// Whoever cannot be transferred to is refused before anything is done.
func TestTransferToTheWrongOne(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		w.campaign(t.Context(), s.elections["b"], 5)
		leading := stand(t, w.Connect("r"), leader.WithID("r"))
		w.await(6)
		before := w.List(path)
		for id, want := range map[string]error{
			"a": leader.ErrOwnID, "b": leader.ErrAmbiguousID, "x": leader.ErrNoParticipant, "": leader.ErrNoParticipant,
		} {
			err := s.term.ResignTo(t.Context(), id)
			assert.ErrorIs(t, err, want, "%q", id)
			assert.ErrorContains(t, err, path)
		}
		leads(t, s.term)
		assert.Equal(t, before, w.List(path))

		require.NoError(t, s.term.ResignTo(t.Context(), "r"))
		term := leading.term()
		for id, want := range map[string]error{"r": leader.ErrOwnID, "x": leader.ErrNoParticipant} {
			assert.ErrorIs(t, term.ResignTo(t.Context(), id), want)
		}
		leads(t, term)
	})
}

// Somebody in between leaves at the moment of the transfer, which is then made anew.
func TestOthersLeaveDuringATransfer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		node := s.path("b")
		w.onMulti(zktest.Pass, func() { assert.NoError(t, w.Delete(node)) })
		require.NoError(t, s.term.ResignTo(t.Context(), "d"))
		won(t, s.waiting["d"])
	})
}

// The successor leaves at that very moment: the leader stays the leader, in a new context.
func TestSuccessorLeavesDuringATransfer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		node, old, token := s.path("c"), s.term.Context(), s.term.Token()
		w.onMulti(zktest.Pass, func() {
			assert.Error(t, old.Err(), "its context has ended before the servers were asked")
			s.leave("c", node)
		})
		err := s.term.ResignTo(t.Context(), "c")
		assert.ErrorIs(t, err, leader.ErrNoParticipant)
		assert.ErrorIs(t, context.Cause(old), leader.ErrResigned)
		leads(t, s.term)
		assert.Equal(t, token, s.term.Token())
		_, err = s.term.Set(t.Context(), path, nil, framework.AnyVersion)
		assert.NoError(t, err)
		time.Sleep(time.Second)
		assert.Empty(t, s.waiting["b"])
		require.NoError(t, w.Delete(s.term.Path()))
		assert.ErrorIs(t, over(t, s.term, time.Second), leader.ErrDeleted, "the new one is guarded, too")
		require.NoError(t, won(t, s.waiting["b"]).ResignTo(t.Context(), "d"))
		won(t, s.waiting["d"])
	})
}

// The term that goes on when a transfer has failed answers SUSPENDED as it did before.
func TestFailedTransferKeepsThePolicy(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"cancel": nil, "hold": {leader.Hold(0)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				s := w.set(opts...)
				node := s.path("c")
				w.onMulti(zktest.Pass, func() { s.leave("c", node) })
				require.ErrorIs(t, s.term.ResignTo(t.Context(), "c"), leader.ErrNoParticipant)
				leads(t, s.term)
				w.cut("a")
				if name == "cancel" {
					assert.ErrorIs(t, over(t, s.term, time.Second), framework.ErrSuspended)
					return
				}
				time.Sleep(time.Second)
				leads(t, s.term)
			})
		})
	}
}

// The successor has lost its session since and stands again, with the same id and another node.
func TestSuccessorCampaignsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		node := s.path("c")
		w.onMulti(zktest.Pass, func() {
			_, err := w.Create(path+"/latch-", []byte("c"), zktest.PersistentSequential)
			assert.NoError(t, err)
			s.leave("c", node)
		})
		require.NoError(t, s.term.ResignTo(t.Context(), "c"))
		assert.Equal(t, "c", s.order()[0])
	})
}

// Somebody else deletes the leader's node at the moment of the transfer, of which the leader may get no answer. That ends the
// term, as always.
func TestLeaderIsDeletedDuringATransfer(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"refused": zktest.Pass, "no answer": zktest.Cut} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				s := w.set()
				w.onMulti(verdict, func() { assert.NoError(t, w.Delete(s.term.Path())) })
				assert.ErrorIs(t, s.term.ResignTo(t.Context(), "d"), leader.ErrDeleted)
				assert.Error(t, s.term.Context().Err())
				leads(t, won(t, s.waiting["b"]))
				time.Sleep(time.Second)
				assert.Equal(t, []string{"b", "c", "d"}, s.order(), "nobody is displaced")
			})
		})
	}
}

// The connection breaks with the transfer on its way, or with its answer: it is applied exactly once.
func TestTransferWhoseAnswerIsLost(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"not applied": zktest.Cut, "applied": zktest.CutAfter} {
		for to, rest := range map[string][]string{"b": {"b", "c", "d"}, "d": {"d", "b", "c"}} {
			t.Run(name+"/"+to, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					s := w.set()
					w.onMulti(verdict, func() {})
					require.NoError(t, s.term.ResignTo(t.Context(), to))
					won(t, s.waiting[to])
					time.Sleep(time.Second)
					got := s.order()
					assert.Equal(t, to, got[0])
					assert.ElementsMatch(t, rest, got)
					assert.EqualValues(t, 1, w.ClientCounts("a").Requests[zktest.OpSync], "the look must not see the past")
				})
			})
		}
	}
}

// withoutRead lets nobody list a directory.
func withoutRead() []framework.ACL {
	return []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 31 &^ 1}}
}

// The answer is lost, and the queue can no longer be listed, so that nobody can tell whether the transfer was applied.
// Then nobody leads on in the place that may have been given away.
func TestTransferThatCannotBeDecided(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"not applied": zktest.Cut, "applied": zktest.CutAfter} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				s := w.set(leader.Hold(0))
				_, own := framework.Split(s.term.Path())
				admin := w.Connect("admin")
				w.onMulti(verdict, func() {
					go func() {
						_, err := admin.SetACL(t.Context(), path, withoutRead(), framework.AnyVersion)
						assert.NoError(t, err)
					}()
				})
				err := s.term.ResignTo(t.Context(), "c")
				assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				assert.ErrorIs(t, err, framework.ErrNoAuth)
				assert.Error(t, s.term.Context().Err())
				time.Sleep(time.Second)
				assert.NotContains(t, w.List(path), own)
			})
		})
	}
}

// The answer is lost, and before the queue can be looked at the successor has led and gone.
func TestSuccessorHasComeAndGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		w.onMulti(zktest.CutAfter, func() { w.Refuse() })
		go func() {
			time.Sleep(time.Second)
			for _, name := range w.List(path) {
				assert.NoError(t, w.Delete(path+"/"+name))
			}
			assert.NoError(t, w.Accept())
		}()
		assert.NoError(t, s.term.ResignTo(t.Context(), "c"))
	})
}

// A transfer that breaks the connection each time is given up, and the leader stays the leader.
func TestTransferThatNeverGetsThrough(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set(leader.Hold(0))
		heal := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpMulti {
				return zktest.Cut
			}
			return zktest.Pass
		})
		err := s.term.ResignTo(t.Context(), "c")
		assert.ErrorContains(t, err, "given up")
		assert.NotErrorIs(t, err, framework.ErrOutcomeUnknown, "it is known")
		leads(t, s.term)
		assert.Equal(t, []string{"a", "b", "c", "d"}, s.order())
		heal()
		require.NoError(t, s.term.ResignTo(t.Context(), "c"))
		won(t, s.waiting["c"])
	})
}

// The servers stay away with the transfer under way, and ctx ends: the term is over, and the node goes when they are back.
func TestTransferDuringAnOutage(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"not applied": zktest.Cut, "applied": zktest.CutAfter} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				s := w.set(leader.Hold(0))
				w.onMulti(verdict, func() { w.Refuse() })
				ctx, cancel := context.WithTimeout(t.Context(), timeout/10)
				defer cancel()
				err := s.term.ResignTo(ctx, "c")
				assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Error(t, s.term.Context().Err())
				assert.ErrorIs(t, s.term.Resign(t.Context()), framework.ErrOutcomeUnknown)
				require.NoError(t, w.Accept())
				won(t, s.waiting[map[string]string{"applied": "c", "not applied": "b"}[name]])
				time.Sleep(time.Second)
				assert.Len(t, w.List(path), 3)
			})
		})
	}
}

// Of two transfers at once one is made.
func TestTwoTransfersAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		results := make(chan error, 2)
		for _, id := range []string{"c", "d"} {
			go func() { results <- s.term.ResignTo(t.Context(), id) }()
		}
		first, second := <-results, <-results
		if first != nil {
			first, second = second, first
		}
		require.NoError(t, first)
		assert.ErrorIs(t, second, leader.ErrNotLeader)
		assert.ErrorContains(t, second, "another transfer")
		time.Sleep(time.Second)
		assert.Len(t, w.List(path), 3)
	})
}

// A node of a shared term that somebody has deleted ends the term, even if its event is lost: then the transfer finds out.
func TestTransferOfATermOfWhichANodeIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set(leader.Shared())
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event && f.Conn.Client == "a" {
				return zktest.Drop
			}
			return zktest.Pass
		})
		order, _ := queue.Dialect.Arrange(w.List(path))
		require.NoError(t, w.Delete(path+"/"+order[1].Full))
		assert.ErrorIs(t, s.term.ResignTo(t.Context(), "c"), leader.ErrDeleted)
		won(t, s.waiting["b"])
	})
}

// Resign during a transfer waits for it, and gives up what a transfer that fails would have kept.
func TestResignDuringATransfer(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		s := w.set()
		node := s.path("c")
		resigned := make(chan error, 2)
		w.onMulti(zktest.DelayBy(time.Second), func() {
			dead, cancel := context.WithCancel(t.Context())
			cancel()
			go func() { resigned <- s.term.Resign(dead) }()
			go func() {
				resigned <- s.term.ResignTo(t.Context(), "d")
			}()
			s.leave("c", node)
		})
		assert.ErrorIs(t, s.term.ResignTo(t.Context(), "c"), leader.ErrNoParticipant)
		synctest.Wait()
		assert.Error(t, <-resigned)
		assert.Error(t, <-resigned)
		assert.Error(t, s.term.Context().Err())
		assert.NoError(t, s.term.Resign(t.Context()))
		won(t, s.waiting["b"])
	})
}
