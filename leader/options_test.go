package leader_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

func TestCandidates(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		list, err := leader.New(b, path).Participants(t.Context())
		require.NoError(t, err)
		assert.Empty(t, list, "nobody has ever stood")
		first := stand(t, a, leader.WithID("first"))
		term := first.term()
		since := time.Now()
		second := stand(t, b, leader.WithID("second"))
		time.Sleep(time.Second)
		list, err = leader.New(b, path).Participants(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
		assert.Equal(t, []string{"first", "second"}, []string{list[0].ID, list[1].ID})
		assert.Equal(t, term.Path(), list[0].Path)
		assert.Equal(t, term.Token(), list[0].Token)
		assert.Equal(t, w.session(a), list[0].Session)
		assert.WithinDuration(t, since, list[0].Since, 5*time.Millisecond)
		first.let <- nil
		term = second.term()
		list, err = leader.New(a, path).Participants(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		assert.Equal(t, term.Path(), list[0].Path)
	})
}

func TestWithID(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		term := stand(t, w.Connect("a")).term()
		data, _, err := w.Get(term.Path())
		require.NoError(t, err)
		host, err := os.Hostname()
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%s:%d", host, os.Getpid()), string(data))
		assert.Regexp(t, `/_c_[0-9a-f-]{36}-latch-\d{10}$`, term.Path(), "as LeaderLatch names it")
	})
}

func TestWithACL(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		})
		term := stand(t, cli, leader.WithACL(framework.CreatorACL())).term()
		_, err := w.Connect("b").Get(t.Context(), term.Path())
		assert.ErrorIs(t, err, framework.ErrNoAuth)
	})
}

// A candidate that the servers refuse returns an error that says so; the next try may succeed.
func TestRefusedCandidate(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		admin := w.Connect("admin")
		_, err := admin.Create(t.Context(), path, nil, framework.Parents)
		require.NoError(t, err)
		_, err = admin.SetACL(t.Context(), path, []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 1 | 16}}, framework.AnyVersion)
		require.NoError(t, err)
		cli := w.Connect("a")
		c := stand(t, cli)
		err = <-c.done
		assert.ErrorIs(t, err, framework.ErrNoAuth)
		assert.ErrorContains(t, err, path)
		_, err = admin.SetACL(t.Context(), path, framework.OpenACL(), framework.AnyVersion)
		require.NoError(t, err)
		leads(t, stand(t, cli).term())
	})
}

func TestHoldSurvivesABriefDisconnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		term := stand(t, cli, leader.Hold(0)).term()
		for range 3 {
			w.cut("a")
			time.Sleep(timeout)
			leads(t, term)
		}
		w.Silence("a")
		at := time.Now()
		assert.ErrorIs(t, over(t, term, timeout), framework.ErrUntrusted)
		assert.LessOrEqual(t, time.Since(at), timeout*3/4)
	})
}

func TestGraceBoundsHold(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		c := stand(t, w.Connect("a"), leader.Hold(timeout/5))
		term := c.term()
		w.Refuse()
		w.cut("a")
		at := time.Now()
		assert.ErrorIs(t, over(t, term, timeout), framework.ErrSuspended)
		assert.InDelta(t, timeout/5, time.Since(at), float64(time.Millisecond))
		require.NoError(t, w.Accept())
		next := c.term()
		assert.Greater(t, next.Token(), term.Token())
	})
}

func TestTermMulti(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		_, err := cli.Create(t.Context(), "/plan", []byte("0"))
		require.NoError(t, err)
		c := stand(t, cli)
		term := c.term()
		at := time.Now()
		stat, err := term.Set(t.Context(), "/plan", []byte("1"), 0)
		require.NoError(t, err)
		assert.EqualValues(t, 1, stat.Version)
		assert.Equal(t, at.Add(timeout*3/4), term.TrustedUntil())
		_, err = term.Set(t.Context(), "/plan", []byte("1"), 0)
		assert.ErrorIs(t, err, framework.ErrBadVersion)
		var refused *framework.MultiError
		require.ErrorAs(t, err, &refused)
		assert.Zero(t, refused.Index)

		require.NoError(t, w.Delete(term.Path()))
		_, err = term.Set(t.Context(), "/plan", []byte("2"), framework.AnyVersion)
		assert.ErrorIs(t, err, leader.ErrNotLeader)
		_, err = cli.Multi(t.Context(), []framework.Op{term.Check(), framework.DeleteOp("/plan", framework.AnyVersion)})
		assert.ErrorIs(t, err, framework.ErrNoNode)
		next := c.term()
		_, err = next.Set(t.Context(), "/plan", []byte("3"), framework.AnyVersion)
		assert.NoError(t, err)
		c.let <- nil
		require.NoError(t, <-c.done)
		assert.ErrorIs(t, context.Cause(next.Context()), leader.ErrResigned)
		_, err = next.Multi(t.Context(), nil)
		assert.ErrorIs(t, err, leader.ErrNotLeader)
	})
}
