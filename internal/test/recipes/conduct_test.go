package recipes_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// Every recipe does what it declares, by default and with each option.
func TestConduct(t *testing.T) {
	for _, r := range recipes() {
		for _, way := range r.ways {
			name := r.name
			if way.option != "" {
				name += " with " + way.option
			}
			t.Run(name, func(t *testing.T) {
				require.NoError(t, way.policy.Validate())
				t.Run("SUSPENDED", func(t *testing.T) { onStage(t, func(s *stage) { way.suspended(s) }) })
				t.Run("LOST", func(t *testing.T) { onStage(t, func(s *stage) { way.lost(s) }) })
			})
		}
	}
}

// suspended breaks the connection for a while, twice.
func (w way) suspended(s *stage) {
	work := w.work(s)
	work.begin()
	s.settle(framework.Connected)
	require.True(s, work.stands(), "it did not begin")
	session := s.cli.State().SessionID
	for round := range 2 {
		heal := s.suspend()
		if w.policy.OnSuspended == framework.Hold {
			require.Empty(s, work.ends(), "it ended although it holds")
		} else {
			require.Len(s, work.ends(), round+1)
			require.ErrorIs(s, work.ends()[round], framework.ErrSuspended)
		}
		heal()
		s.settle(framework.Reconnected)
		require.Equal(s, session, s.cli.State().SessionID)
		w.resume(s, work)
	}
}

// lost ends the session, twice. What the recipe had to do with it is gone from the server by then.
func (w way) lost(s *stage) {
	work := w.work(s)
	work.begin()
	s.settle(framework.Connected)
	require.True(s, work.stands(), "it did not begin")
	for range 2 {
		before := len(work.ends())
		s.lose()
		for _, err := range work.ends()[before:] {
			assert.True(s, endOfSession(err), err)
		}
		if w.policy.OnLost == framework.Stop {
			require.Len(s, work.ends(), before+1, "it must say that its session is lost")
		}
		w.resume(s, work)
	}
}

// endOfSession reports whether err is one of the ways in which the end of a session shows: the loss itself; the end of the
// connection, when the recipe ends with that; the end of an own node, which the server may report first.
func endOfSession(err error) bool {
	return errors.Is(err, framework.ErrSessionLost) || errors.Is(err, framework.ErrSuspended) || isDeleted(err)
}

// resume makes sure that the work goes on. Under Rebuild that is the recipe's task, under Stop its user's, if it has ended.
func (w way) resume(s *stage, work work) {
	if w.policy.OnLost == framework.Stop && !work.stands() {
		work.begin()
		s.settle(s.cli.State().State)
	}
	require.True(s, work.stands(), fmt.Sprintf("it did not go on; ends: %v", work.ends()))
}
