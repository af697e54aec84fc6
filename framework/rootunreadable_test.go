package framework_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// closeRoot makes a server that refuses every request about the root, as one does whose ACL gives this client nothing.
func closeRoot(t *testing.T, s *zktest.Server) {
	t.Helper()
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && f.Path == "/" {
			return zktest.AnswerWith(-102)
		}
		return zktest.Pass
	}))
}

// Requests of every size work on a server whose root the client may not read, and a write whose reply is lost is settled.
func TestRootThatMayNotBeRead(t *testing.T) {
	for _, size := range []int{0, 100 << 10, 600 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/app/node", "old")
				closeRoot(t, s)
				cli := connected(t, s)
				data := make([]byte, size)
				ctx := within(t, 10*time.Minute)
				node, err := cli.Create(ctx, "/app/made", data)
				require.NoError(t, err)
				assert.NotZero(t, node.Stat.Czxid)
				for i, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
					onceOn(t, s, stage, zktest.OpDelete, zktest.Cut, func() {})
					require.NoError(t, cli.Delete(ctx, []string{"/app/node", "/app/made"}[i], framework.AnyVersion))
				}
				assert.True(t, cli.Health().Ready(), cli.Health())
			})
		})
	}
}

// An operation that is not answered has the client ask the server something by itself. That the root may not be read is an answer.
func TestHealthWhenTheRootMayNotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		closeRoot(t, s)
		cli := connected(t, s)
		_, err := cli.Get(within(t, time.Second), "/")
		require.ErrorIs(t, err, framework.ErrNoAuth)
		time.Sleep(10 * sessionTimeout)
		assert.True(t, cli.Health().Ready(), cli.Health())
	})
}

// Two connections break while the client's first create is under way, for no reason of its own. Its server knows create2, and the
// client finds that out in the end.
func TestCreate2IsUsedAgainAfterTwoBreaks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		cuts := 0
		t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreate2 && cuts < 2 {
				cuts++
				return zktest.Cut
			}
			return zktest.Pass
		}))
		for i := range 60 {
			if i == 30 {
				s.Cut(zktest.AllConns())
			}
			node, err := cli.Create(within(t, time.Minute), fmt.Sprint("/node", i), nil)
			require.NoError(t, err)
			require.NotZero(t, node.Stat.Czxid)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		before := s.Counts()
		_, err := cli.Create(within(t, time.Minute), "/last", nil)
		require.NoError(t, err)
		sent := s.Counts().Sub(before).Requests
		t.Logf("the last create was sent as %v", sent)
		assert.EqualValues(t, 1, sent[zktest.OpCreate2])
		assert.Zero(t, sent[zktest.OpCreate])
	})
}
