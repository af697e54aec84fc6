package framework_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// mute makes a server that answers everything but requests of one kind, and what docent may send in place of a create2. It
// processes them, or does not.
func mute(t *testing.T, s *zktest.Server, stage zktest.Stage, op zktest.Op) {
	t.Helper()
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == stage && (f.Op == op || op == zktest.OpCreate2 && f.Op == zktest.OpCreate) {
			return zktest.Drop
		}
		return zktest.Pass
	}))
}

// A server never answers one kind of request, and answers all else. The call of a Session that makes it returns all the same,
// within three session timeouts, and says what is known.
func TestSessionOperationThatIsNeverAnswered(t *testing.T) {
	for _, a := range askedOperations() {
		for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
			t.Run(fmt.Sprint(a.name, " ", stage), func(t *testing.T) {
				bubble(t, func(t *testing.T) { a.neverAnswered(t, stage) })
			})
		}
	}
}

// neverAnswered runs in a bubble.
func (a asked) neverAnswered(t *testing.T, stage zktest.Stage) {
	s := startServer(t, zktest.Config{})
	mustCreate(t, s, "/node/leaf", "old")
	cli := connected(t, s)
	session := sessionOf(t, cli)
	require.NoError(t, cli.Sync(t.Context(), "/node"))
	mute(t, s, stage, a.op)
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- a.do(within(t, time.Hour), session) }()
	var err error
	for returned := false; !returned; {
		select {
		case err = <-done:
			returned = true
		case <-time.After(sessionTimeout / 4):
		}
	}
	took := time.Since(begun)
	t.Logf("it took %.2f session timeouts: %v", took.Seconds()/sessionTimeout.Seconds(), err)
	assert.LessOrEqual(t, took, 3*sessionTimeout+sessionTimeout/4)
	write := slices.Contains([]zktest.Op{zktest.OpCreate2, zktest.OpSetData, zktest.OpSetACL, zktest.OpMulti, zktest.OpDelete}, a.op)
	switch {
	case err == nil && a.op == zktest.OpAddWatch: // setWatches2 has set it on the next connection
	case err == nil:
		assert.Equal(t, zktest.Reply, stage, "it says that it was applied")
		assert.True(t, write)
	case write:
		assert.False(t, framework.SafeToRetry(err), "it was sent, and nobody knows")
		assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
	default:
		assert.True(t, framework.SafeToRetry(err))
	}
	assert.NotErrorIs(t, err, framework.ErrSessionLost)
}

// While an operation gets no answer, Health says so, although pings are answered.
func TestHealthOfAnOperationThatIsNeverAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		mute(t, s, zktest.Request, zktest.OpGetData)
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, err := cli.Get(ctx, "/node")
			for err != nil && ctx.Err() == nil { // its caller goes on
				_, err = cli.Get(ctx, "/node")
			}
			done <- err
		}()
		time.Sleep(4 * sessionTimeout)
		health := cli.Health()
		cancel()
		<-done
		assert.False(t, health.Ready(), "a read that is not answered for four session timeouts: %v", health)
	})
}
