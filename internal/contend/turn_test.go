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

func TestTokenOfATurn(t *testing.T) {
	const largest = 1<<55 - 1
	require.NoError(t, contend.Fits(largest))
	require.ErrorIs(t, contend.Fits(largest+1), contend.ErrTokenRange)
	require.ErrorIs(t, contend.Fits(math.MaxInt64), contend.ErrTokenRange)
	assert.EqualValues(t, math.MaxInt64, contend.TurnToken(largest, contend.MaxTurns), "nothing is left over, and nothing lost")
	assert.Greater(t, contend.TurnToken(8, 0), contend.TurnToken(7, contend.MaxTurns))
	assert.Greater(t, contend.TurnToken(7, 1), contend.TurnToken(7, 0))
}

// What can be applied after its answer was given up is not settled.
func TestWhatIsSettled(t *testing.T) {
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
