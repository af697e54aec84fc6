package contend_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/zktest"
)

func TestTurnsOfAClaimHaveTokensBelowThoseOfTheNextClaim(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		first, err := queue.Acquire(t.Context(), s, cancel)
		require.NoError(t, err)
		last := first.Turn(t.Context(), contend.MaxTurns)
		assert.Equal(t, first.Token(), first.Turn(t.Context(), 0).Token())
		assert.Less(t, first.Token(), last.Token())
		require.NoError(t, first.Release(t.Context()))
		second, err := queue.Acquire(t.Context(), s, cancel)
		require.NoError(t, err)
		assert.Less(t, last.Token(), second.Token())
	})
}

func TestACzxidThatLeavesNoRoomForTurnsIsRefusedAndItsNodeRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		place, err := queue.Enter(t.Context(), s)
		require.NoError(t, err)
		_, err = contend.ClaimOf(t.Context(), place, 1<<55, cancel)
		require.ErrorIs(t, err, contend.ErrTokenRange)
		time.Sleep(time.Second)
		assert.Empty(t, w.nodes())
		place, err = queue.Enter(t.Context(), s)
		require.NoError(t, err)
		claim, err := contend.ClaimOf(t.Context(), place, 1<<55-1, cancel)
		require.NoError(t, err)
		assert.EqualValues(t, math.MaxInt64, claim.Turn(t.Context(), contend.MaxTurns).Token())
	})
}

// What can be applied after its answer was given up is not settled.
func TestSettledErrors(t *testing.T) {
	op := func(attempts int, err error) error {
		return &framework.OpError{Op: "multi", Path: "/x", Attempts: attempts, Err: err}
	}
	refused := &framework.MultiError{Err: framework.ErrNoNode}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, true},
		{op(1, refused), true},
		{op(2, refused), true},
		{fmt.Errorf("%w: %w", contend.ErrNotHeld, op(1, refused)), true},
		{fmt.Errorf("%w: %w", contend.ErrNotHeld, framework.ErrUntrusted), true},
		{fmt.Errorf("%w, and then: %w", framework.ErrOutcomeUnknown, op(2, refused)), false},
		{op(1, framework.ErrOutcomeUnknown), false},
		{op(1, context.Canceled), false},
		{op(0, context.Canceled), true},
		{op(0, framework.ErrTooLarge), true},
		{op(1, errors.New("something else")), false},
	} {
		assert.Equal(t, c.want, contend.Settled(c.err), "%v", c.err)
	}
}

// A claim that is over, or that the clock says may be, is not handed on. All of it happens in a bubble.
func TestTurnOfAClaimThatDoesNotStand(t *testing.T) {
	for name, end := range map[string]func(w *world, s *framework.Session){
		"suspended": func(w *world, _ *framework.Session) { w.Cut(zktest.AllConns()); time.Sleep(time.Second) },
		"lost":      func(w *world, s *framework.Session) { w.ExpireSession(s.ID()); time.Sleep(time.Second) },
		"untrusted": func(w *world, s *framework.Session) {
			w.Blackhole(zktest.AllConns(), zktest.Both)
			time.Sleep(time.Until(s.TrustedUntil()))
		},
		"deleted": func(w *world, _ *framework.Session) {
			time.Sleep(time.Second)
			assert.NoError(w.t, w.Delete(queue.Dir+"/"+w.nodes()[0]))
			time.Sleep(time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, s := w.client("a")
				claim, err := queue.Acquire(t.Context(), s, cancel)
				require.NoError(t, err)
				turn := claim.Turn(t.Context(), 0)
				end(w, s)
				assert.False(t, turn.End())
				again := claim.Turn(t.Context(), 1)
				assert.Error(t, again.Context().Err())
				_, err = again.Multi(t.Context(), nil)
				assert.ErrorIs(t, err, contend.ErrNotHeld)
			})
		})
	}
}
