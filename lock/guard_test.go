package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// account is what the lock protects.
const account = "/account"

// withAccount creates it.
func (w *world) withAccount() {
	w.t.Helper()
	_, err := w.Create(account, []byte("0"), zktest.Persistent)
	require.NoError(w.t, err)
}

func (w *world) balance() string {
	w.t.Helper()
	data, _, err := w.Get(account)
	require.NoError(w.t, err)
	return string(data)
}

func TestMultiOfAHolder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.withAccount()
		held := locked(t, lock.New(w.Connect("a"), path))
		before := w.Counts()
		results, err := held.Multi(t.Context(), []framework.Op{
			framework.SetOp(account, []byte("1"), 0),
			framework.CreateOp("/log", []byte("1"), framework.Persistent),
		})
		require.NoError(t, err)
		require.Len(t, results, 2, "the check has no result of its own")
		assert.EqualValues(t, 1, results[0].Stat.Version)
		assert.Equal(t, "/log", results[1].Path)
		assert.EqualValues(t, 1, w.Counts().Sub(before).RoundTrips())

		stat, err := held.Set(t.Context(), account, []byte("2"), 1)
		require.NoError(t, err)
		assert.EqualValues(t, 2, stat.Version)
		assert.Equal(t, "2", w.balance())
		results, err = held.Multi(t.Context(), nil)
		assert.NoError(t, err, "to ask whether the lock is held")
		assert.Empty(t, results)
	})
}

// Indices in errors count as the caller does, without the check in front.
func TestMultiErrorCountsAsTheCallerDoes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.withAccount()
		held := locked(t, lock.New(w.Connect("a"), path))
		for i, ops := range [][]framework.Op{
			{framework.SetOp(account, nil, 7), framework.DeleteOp(account, framework.AnyVersion)},
			{framework.SetOp(account, nil, 0), framework.SetOp(account, nil, 7)},
		} {
			_, err := held.Multi(t.Context(), ops)
			var refused *framework.MultiError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, i, refused.Index)
			assert.Equal(t, account, refused.Path)
			assert.ErrorIs(t, err, framework.ErrBadVersion)
			assert.NotErrorIs(t, err, lock.ErrNotHeld)
			assert.ErrorContains(t, err, fmt.Sprintf("operation %d (set /account)", i))
		}
		assert.Equal(t, "0", w.balance())
		_, err := held.Set(t.Context(), account, nil, 7)
		assert.ErrorIs(t, err, framework.ErrBadVersion)
		_, err = held.Set(t.Context(), "/nowhere", nil, framework.AnyVersion)
		assert.ErrorIs(t, err, framework.ErrNoNode)
		assert.NotErrorIs(t, err, lock.ErrNotHeld, "it is the other node that is missing")
		alive(t, held)
	})
}

// The servers refuse a holder whose node has gone, whatever the client still believes.
func TestMultiOfAStaleHolderIsRefusedByTheServers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.withAccount()
		held := locked(t, lock.New(w.Connect("a"), path))
		w.OnFrame(func(f zktest.Frame) zktest.Verdict { // the news is slow
			if f.Stage == zktest.Event {
				return zktest.DelayBy(time.Second)
			}
			return zktest.Pass
		})
		require.NoError(t, w.Delete(held.Path()))
		alive(t, held)
		before := w.Counts()
		_, err := held.Set(t.Context(), account, []byte("stale"), framework.AnyVersion)
		assert.ErrorIs(t, err, lock.ErrNotHeld)
		assert.EqualValues(t, 1, w.Counts().Sub(before).Requests[zktest.OpMulti])
		assert.Equal(t, "0", w.balance())
	})
}

func TestMultiOfAHeldThatIsOverIsRefusedWithoutAsking(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.withAccount()
		m := lock.New(w.Connect("a"), path)
		released := locked(t, m)
		require.NoError(t, released.Unlock(t.Context()))
		suspended := locked(t, m)
		w.cut("a")
		waitOver(t, suspended, time.Second)
		before := w.Counts()
		for held, cause := range map[*lock.Held]error{released: lock.ErrReleased, suspended: framework.ErrSuspended} {
			_, err := held.Multi(t.Context(), nil)
			assert.ErrorIs(t, err, lock.ErrNotHeld)
			assert.ErrorIs(t, err, cause)
			assert.ErrorContains(t, err, held.Path())
		}
		assert.Zero(t, w.Counts().Sub(before).Requests[zktest.OpMulti])
	})
}

// A multi that was applied although its answer was lost must never be called refused.
func TestMultiWhoseAnswerIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		opts    []framework.WriteOption
		outcome error // if the session lives
	}{
		"once":       {nil, framework.ErrOutcomeUnknown},
		"idempotent": {[]framework.WriteOption{framework.Idempotent}, nil},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(map[bool]string{false: name, true: name + ", session lost"}[lost], func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					w.withAccount()
					cli := w.Connect("a")
					held := locked(t, lock.New(cli, path, lock.Hold(0)))
					w.LoseReply(zktest.OpMulti, 1)
					if lost {
						session := w.session(cli)
						w.OnFrame(func(f zktest.Frame) zktest.Verdict {
							if f.Stage == zktest.Request && f.Op == zktest.OpConnect {
								w.ExpireSession(session)
							}
							return zktest.Pass
						})
					}
					_, err := held.Multi(t.Context(), []framework.Op{framework.SetOp(account, []byte("1"), framework.AnyVersion)}, c.opts...)
					assert.Equal(t, "1", w.balance())
					assert.NotErrorIs(t, err, lock.ErrNotHeld, "%v", err)
					switch {
					case !lost || c.outcome != nil:
						assert.ErrorIs(t, err, c.outcome)
					default:
						assert.ErrorIs(t, err, framework.ErrSessionLost)
					}
				})
			})
		}
	}
}

// Whatever else is known, a multi that may have been applied is not called refused: not if the caller's ctx ended with the end
// of a session, and not if the claim's node is found gone when it is repeated.
func TestMultiThatMayHaveBeenAppliedIsNotRefused(t *testing.T) {
	for name, c := range map[string]struct {
		opts []framework.WriteOption
		lose func(w *world, held *lock.Held, leave context.CancelCauseFunc) zktest.Verdict
	}{
		"left by its caller": {nil, func(_ *world, _ *lock.Held, leave context.CancelCauseFunc) zktest.Verdict {
			leave(framework.ErrSessionLost)
			return zktest.DelayBy(time.Second)
		}},
		"repeated, node deleted meanwhile": {[]framework.WriteOption{framework.Idempotent}, func(w *world, held *lock.Held, _ context.CancelCauseFunc) zktest.Verdict {
			assert.NoError(w.t, w.Delete(held.Path()))
			return zktest.Cut
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.withAccount()
				held := locked(t, lock.New(w.Connect("a"), path, lock.Hold(0)))
				ctx, leave := context.WithCancelCause(t.Context())
				lost := false
				w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if lost || f.Stage != zktest.Reply || f.Op != zktest.OpMulti {
						return zktest.Pass
					}
					lost = true
					return c.lose(w, held, leave)
				})
				_, err := held.Multi(ctx, []framework.Op{framework.SetOp(account, []byte("1"), framework.AnyVersion)}, c.opts...)
				assert.Equal(t, "1", w.balance())
				assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				assert.NotErrorIs(t, err, lock.ErrNotHeld)
			})
		})
	}
}

// Waiting for the connection to come back, a multi that was not sent is refused when the session is lost instead.
func TestMultiThatWasNeverSentIsRefusedWithTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.withAccount()
		cli := w.Connect("a")
		held := locked(t, lock.New(cli, path, lock.Hold(0)))
		w.Refuse()
		w.cut("a")
		for cli.State().State != framework.Suspended {
			time.Sleep(time.Millisecond)
		}
		_, err := held.Set(t.Context(), account, []byte("1"), framework.AnyVersion)
		assert.ErrorIs(t, err, lock.ErrNotHeld)
		assert.ErrorIs(t, err, framework.ErrSessionLost)
		assert.Equal(t, "0", w.balance())
	})
}

// A node that its owner may not read cannot be checked. That is no loss of the lock, and not called one.
func TestMultiWithoutPermissionToCheck(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		held := locked(t, lock.New(w.Connect("a"), path, lock.WithACL([]framework.ACL{{Scheme: "world", ID: "anyone", Perms: 2}})))
		_, err := held.Multi(t.Context(), nil)
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		assert.NotErrorIs(t, err, lock.ErrNotHeld)
		assert.ErrorContains(t, err, "could not be checked")
		cause := waitOver(t, held, time.Second)
		assert.True(t, errors.Is(cause, framework.ErrNoAuth), "nor can it be watched: %v", cause)
	})
}
