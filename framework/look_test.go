package framework_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// looking is a session with an ephemeral node that is to be deleted, and what was seen of another node behind that.
type looking struct {
	*zktest.Server
	session *framework.Session
	own     framework.Node
	other   framework.Node
	seen    []int64
	calls   int
}

func startLooking(t *testing.T) *looking {
	t.Helper()
	l := &looking{Server: startServer(t, zktest.Config{})}
	l.session = sessionOf(t, connected(t, l.Server))
	var err error
	l.own, err = l.session.Create(t.Context(), "/own", nil, framework.Ephemeral)
	require.NoError(t, err)
	l.other, err = l.session.Create(t.Context(), "/other", nil)
	require.NoError(t, err)
	return l
}

// remove deletes the node, and waits until nothing more can be seen. It runs in a bubble.
func (l *looking) remove(ctx context.Context) error {
	err := recipekit.DeleteAndLook(ctx, l.session, l.own.Path, l.other.Path, func(czxid int64) {
		l.calls++
		if czxid != 0 {
			l.seen = append(l.seen, czxid)
		}
	})
	time.Sleep(time.Second)
	synctest.Wait()
	return err
}

func TestDeleteAndLook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := startLooking(t)
		before := l.Counts()
		require.NoError(t, l.remove(t.Context()))
		assert.Equal(t, map[zktest.Op]int64{zktest.OpDelete: 1, zktest.OpExists: 1}, l.Counts().Sub(before).Requests)
		assert.Equal(t, []int64{l.other.Stat.Czxid}, l.seen)
	})
}

// What is seen counts only behind a delete that was answered.
func TestDeleteAndLookInTrouble(t *testing.T) {
	ended := func(t *testing.T) context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return ctx
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, l *looking)
		ctx     func(t *testing.T) context.Context
		err     error
		seen    int
	}{
		"the node is gone":       {prepare: func(t *testing.T, l *looking) { require.NoError(t, l.Delete("/own")) }, err: framework.ErrNoNode},
		"the other node is gone": {prepare: func(t *testing.T, l *looking) { require.NoError(t, l.Delete("/other")) }},
		"the delete is lost": {prepare: func(t *testing.T, l *looking) {
			onceOn(t, l.Server, zktest.Request, zktest.OpDelete, zktest.Cut, nothing)
		}, seen: 1},
		"its reply is lost": {prepare: func(t *testing.T, l *looking) {
			onceOn(t, l.Server, zktest.Reply, zktest.OpDelete, zktest.Cut, nothing)
		}},
		"the look is lost": {prepare: func(t *testing.T, l *looking) {
			onceOn(t, l.Server, zktest.Reply, zktest.OpExists, zktest.Cut, nothing)
		}},
		"the caller has left already": {ctx: ended, err: context.Canceled, seen: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				l, ctx := startLooking(t), t.Context()
				if c.prepare != nil {
					c.prepare(t, l)
				}
				if c.ctx != nil {
					ctx = c.ctx(t)
				}
				require.ErrorIs(t, l.remove(ctx), c.err)
				assert.Len(t, l.seen, c.seen)
				assert.Positive(t, l.calls)
				assert.NotContains(t, children(t, l.Server, "/"), "own")
			})
		})
	}
}
