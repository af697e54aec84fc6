package contend_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/zktest"
)

// trodden is a queue in which a session has acquired and released so often that it does without a list.
func (w *world) trodden(s *framework.Session) contend.Queue {
	w.t.Helper()
	q := queue
	q.Trail = new(contend.Trail)
	for range 10 {
		w.pass(q, s)
	}
	return q
}

// pass acquires and releases, and returns what that cost.
func (w *world) pass(q contend.Queue, s *framework.Session) map[zktest.Op]int64 {
	w.t.Helper()
	before := w.Counts()
	claim, err := q.Acquire(w.t.Context(), s, hold)
	require.NoError(w.t, err)
	require.NoError(w.t, claim.Release(w.t.Context()))
	return w.Counts().Sub(before).Requests
}

// As long as nothing else happens on the servers, a queue is not listed. If something does, it is listed until that has been so for a while.
func TestUnchangedQueueIsNotListedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		q := w.trodden(s)
		short := map[zktest.Op]int64{zktest.OpCreate2: 1, zktest.OpDelete: 1}
		long := map[zktest.Op]int64{zktest.OpCreate2: 1, zktest.OpGetChildren2: 1, zktest.OpDelete: 1}
		assert.Equal(t, short, w.pass(q, s))
		_, err := w.Create("/elsewhere", nil, zktest.Persistent)
		require.NoError(t, err)
		assert.Equal(t, long, w.pass(q, s))
		for range 8 {
			assert.Equal(t, long, w.pass(q, s))
		}
		assert.Equal(t, short, w.pass(q, s))
	})
}

// Somebody who has come in between is waited for, whatever the numbers say.
func TestContenderBetweenTwoPlacesOfAnUnlistedQueueIsNoticed(t *testing.T) {
	for name, come := range map[string]func(t *testing.T, w *world, other *framework.Session) *contend.Claim{
		"who holds": func(t *testing.T, _ *world, other *framework.Session) *contend.Claim {
			claim, err := queue.Acquire(t.Context(), other, hold)
			require.NoError(t, err)
			return claim
		},
		"in a directory that is a new one": func(t *testing.T, w *world, other *framework.Session) (claim *contend.Claim) {
			require.NoError(t, w.Delete(queue.Dir))
			for range 10 { // the numbers go on as if nothing had happened
				var err error
				if claim != nil {
					require.NoError(t, claim.Release(t.Context()))
				}
				claim, err = queue.Acquire(t.Context(), other, hold)
				require.NoError(t, err)
			}
			return claim
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, s := w.client("a")
				_, other := w.client("b")
				q := w.trodden(s)
				theirs := come(t, w, other)
				granted := make(chan *contend.Claim, 1)
				go func() {
					claim, err := q.Acquire(t.Context(), s, hold)
					if assert.NoError(t, err) {
						granted <- claim
					}
				}()
				time.Sleep(time.Second)
				require.Empty(t, granted)
				require.NoError(t, theirs.Release(t.Context()))
				require.NoError(t, (<-granted).Release(t.Context()))
			})
		})
	}
}

// What a session has seen on an earlier connection says nothing of the servers behind the present one, which may have been restored from a backup.
func TestQueueIsListedAgainOnANewConnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, s := w.client("a")
		q := w.trodden(s)
		assert.Zero(t, w.pass(q, s)[zktest.OpGetChildren2])
		w.Cut(zktest.ClientConns("a"))
		time.Sleep(timeout / 2)
		assert.EqualValues(t, 1, w.pass(q, s)[zktest.OpGetChildren2])
	})
}
