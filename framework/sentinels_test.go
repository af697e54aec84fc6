package framework_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Each code that go-zookeeper has no name for matches a sentinel, and its text says what to do.
func TestCodesWithoutANameInTheDriverMatchSentinelsWithAdvice(t *testing.T) {
	for code, want := range map[zktest.ErrCode]struct {
		err  error
		says string
	}{
		-6:   {framework.ErrUnsupported, "set /node: the servers do not support this kind of request"},
		-119: {framework.ErrNotReadOnly, "set /node: the server serves only reads for now: it has lost contact with the majority"},
		-120: {framework.ErrEphemeralOnLocalSession, "set localSessionsUpgradingEnabled"},
		-124: {framework.ErrAuthRequired, "set Config.SASL"},
		-125: {framework.ErrQuotaExceeded, "set /node: quota exceeded: a hard limit of the node, or of a node above it, would be exceeded; delete nodes, or raise the limit"},
	} {
		t.Run(want.err.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "old")
				cli := connected(t, s)
				s.Inject(zktest.Rule{Op: zktest.OpSetData, Times: 1}, zktest.AnswerWith(code))
				s.Inject(zktest.Rule{Op: zktest.OpMulti, Times: 1}, zktest.AnswerWith(code))
				_, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
				require.ErrorIs(t, err, want.err)
				require.ErrorContains(t, err, want.says)
				assert.True(t, framework.SafeToRetry(err))
				_, err = cli.Multi(t.Context(), []framework.Op{framework.CheckOp("/node", framework.AnyVersion)})
				require.ErrorIs(t, err, want.err)
				_, err = cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
				require.NoError(t, err)
			})
		})
	}
}

// A request that the servers have given up may still be applied, so a write is looked for.
func TestRequestTimeoutOfTheServersLeavesAWriteUnknown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		s.Inject(zktest.Rule{Op: zktest.OpSetData, Stage: zktest.Reply}, zktest.AnswerWith(-122))
		_, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.False(t, framework.SafeToRetry(err))
		s.Inject(zktest.Rule{Op: zktest.OpGetData}, zktest.AnswerWith(-122))
		_, err = cli.Get(t.Context(), "/node")
		require.ErrorIs(t, err, framework.ErrRequestTimeout)
		assert.ErrorContains(t, err, "read before you repeat it")
	})
}

// A throttled request is sent again until something ends the operation, and that one's error matches too.
func TestThrottledOperationIsRepeatedUntilItIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/node", "old")
		cli := connected(t, s)
		some := s.Inject(zktest.Rule{Op: zktest.OpSetData, Times: 3}, zktest.AnswerWith(zktest.ErrThrottled))
		stat, err := cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
		require.NoError(t, err)
		assert.Equal(t, 3, some.Fired())
		assert.EqualValues(t, 1, stat.Version, "it was applied once")

		s.Inject(zktest.Rule{Op: zktest.OpSetData}, zktest.AnswerWith(zktest.ErrThrottled))
		_, err = cli.Set(t.Context(), "/node", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrThrottled)
		require.ErrorIs(t, err, context.DeadlineExceeded, "OperationTimeout has passed")
		assert.ErrorContains(t, err, "set /node")
		assert.ErrorContains(t, err, "throttled_op_wait_time")
		assert.True(t, framework.SafeToRetry(err))

		once := connected(t, s, func(c *framework.Config) { c.RetryPolicy = never })
		_, err = once.Set(within(t, time.Minute), "/node", nil, framework.AnyVersion)
		require.ErrorIs(t, err, framework.ErrThrottled)
	})
}

func TestServerThatDemandsSASLIsNamedToAClientWithoutAny(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, guarded)
		cli := newClient(t, s)
		_, err := cli.Get(within(t, time.Minute), "/")
		require.ErrorIs(t, err, framework.ErrAuthRequired)
		assert.ErrorContains(t, err, "set Config.SASL")
	})
}
