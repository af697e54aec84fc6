package framework_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// outcomeCase is a way in which an operation can end, and what SafeToRetry says of it.
type outcomeCase struct {
	name    string
	prepare func(t *testing.T, s *zktest.Server)
	do      func(t *testing.T, cli *framework.Client) error
	want    bool
	match   error // the error matches it; nil for any error
}

// cutting breaks the connection once, in place of a frame.
func cutting(stage zktest.Stage, op zktest.Op) func(*testing.T, *zktest.Server) {
	return func(t *testing.T, s *zktest.Server) { onceOn(t, s, stage, op, zktest.Cut, func() {}) }
}

// setting sets /node, and gives up after d.
func setting(d time.Duration, opts ...framework.WriteOption) func(*testing.T, *framework.Client) error {
	return func(t *testing.T, cli *framework.Client) error {
		_, err := cli.Set(within(t, d), "/node", nil, framework.AnyVersion, opts...)
		return err
	}
}

func creating(path string, opts ...framework.CreateOption) func(*testing.T, *framework.Client) error {
	return func(t *testing.T, cli *framework.Client) error {
		_, err := cli.Create(within(t, time.Minute), path, nil, opts...)
		return err
	}
}

// away breaks all connections and accepts none for d. It runs in a bubble.
func away(d time.Duration) func(*testing.T, *zktest.Server) {
	return func(t *testing.T, s *zktest.Server) {
		s.Refuse()
		s.Cut(zktest.AllConns())
		time.AfterFunc(d, func() { assert.NoError(t, s.Accept()) })
		time.Sleep(time.Millisecond)
	}
}

// hung makes a server that never answers a set or a get.
func hung(t *testing.T, s *zktest.Server) {
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && (f.Op == zktest.OpSetData || f.Op == zktest.OpGetData) {
			return zktest.Drop
		}
		return zktest.Pass
	}))
}

// withoutCreate2 makes a server that does not return the Stat of a new node, and deletes /made right after its creation.
func withoutCreate2(t *testing.T, s *zktest.Server) {
	answering(t, s, zktest.OpCreate2, -6, -1)
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Reply && f.Op == zktest.OpCreate && f.Path == "/made" {
			_ = s.Delete("/made")
		}
		return zktest.Pass
	}))
}

func calm(*testing.T, *zktest.Server) {}

func outcomeCases() []outcomeCase {
	return []outcomeCase{
		{"no error", calm, setting(time.Minute), false, nil},
		{"no such node", calm, func(t *testing.T, cli *framework.Client) error {
			_, err := cli.Set(t.Context(), "/none", nil, framework.AnyVersion)
			return err
		}, true, framework.ErrNoNode},
		{"the reply is lost", cutting(zktest.Reply, zktest.OpSetData), setting(time.Minute), false, framework.ErrOutcomeUnknown},
		{"not connected", away(time.Minute), setting(time.Second), true, framework.ErrNotConnected},
		{"ctx ends ahead of the reply", hung, setting(time.Second), false, framework.ErrOutcomeUnknown},
		{"ctx ends ahead of the reply, idempotent", hung, setting(time.Second, framework.Idempotent), false, context.DeadlineExceeded},
		{"ctx has ended before", calm, func(_ *testing.T, cli *framework.Client) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := cli.Set(ctx, "/node", nil, framework.AnyVersion)
			return err
		}, true, context.Canceled},
		{"invalid path", calm, creating("/made/"), true, framework.ErrInvalidPath},
		{"too large", calm, func(t *testing.T, cli *framework.Client) error {
			_, err := cli.Set(t.Context(), "/node", make([]byte, 2<<20), framework.AnyVersion)
			return err
		}, true, framework.ErrTooLarge},
		{"closed", calm, func(t *testing.T, cli *framework.Client) error {
			require.NoError(t, cli.Close())
			return setting(time.Minute)(t, cli)
		}, true, framework.ErrClosed},
		{"the session is lost before", calm, func(t *testing.T, cli *framework.Client) error {
			session := sessionOf(t, cli)
			require.NoError(t, cli.Close())
			_, err := session.Set(t.Context(), "/node", nil, framework.AnyVersion)
			return err
		}, true, nil},
		{"throttled until ctx ends", func(t *testing.T, s *zktest.Server) { answering(t, s, zktest.OpSetData, -127, -1) },
			setting(time.Second), true, context.DeadlineExceeded},
		{"the second try of an idempotent delete finds nothing", cutting(zktest.Reply, zktest.OpDelete),
			func(t *testing.T, cli *framework.Client) error {
				return cli.Delete(t.Context(), "/node", framework.AnyVersion, framework.Idempotent)
			}, false, framework.ErrNoNode},
		{"the second try of an idempotent create finds the node", cutting(zktest.Reply, zktest.OpCreate2),
			creating("/made", framework.Idempotent), false, framework.ErrNodeExists},
		{"a node of somebody else stands where one may have stood", func(t *testing.T, s *zktest.Server) {
			onceOn(t, s, zktest.Reply, zktest.OpCreate2, zktest.Cut, func() {
				_ = s.Delete("/made")
				_, _ = s.Create("/made", []byte("another"), zktest.Persistent)
			})
		},
			creating("/made"), false, framework.ErrNodeExists},
		{"a part of a multi is refused", calm, func(t *testing.T, cli *framework.Client) error {
			_, err := cli.Multi(t.Context(), []framework.Op{framework.SetOp("/node", nil, 0), framework.DeleteOp("/none", 0)})
			return err
		}, true, framework.ErrNoNode},
		{"some of the twins were gone", calm, func(t *testing.T, cli *framework.Client) error {
			_, err := cli.Create(t.Context(), "/twin", nil, framework.Ephemeral)
			require.NoError(t, err)
			return recipekit.DeleteTwins(t.Context(), sessionOf(t, cli), []string{"/none", "/twin"})
		}, false, framework.ErrNoNode},
		{"deleted before it could be read", withoutCreate2, func(t *testing.T, cli *framework.Client) error {
			_, _ = cli.Create(t.Context(), "/first", nil) // so that the client knows that there is no create2
			return creating("/made")(t, cli)
		}, false, framework.ErrNoNode},
		{"a read whose ctx ends", hung, func(t *testing.T, cli *framework.Client) error {
			_, err := cli.Get(within(t, time.Second), "/node")
			return err
		}, true, context.DeadlineExceeded},
		{"a read of what is not there", calm, func(t *testing.T, cli *framework.Client) error {
			_, err := cli.Get(t.Context(), "/none")
			return err
		}, true, framework.ErrNoNode},
	}
}

func TestSafeToRetryOfEveryOutcome(t *testing.T) {
	for _, c := range outcomeCases() {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "old")
				cli := connected(t, s)
				c.prepare(t, s)
				err := c.do(t, cli)
				if c.match != nil {
					require.ErrorIs(t, err, c.match)
				}
				assert.Equal(t, c.want, framework.SafeToRetry(err), "%v", err)
				assert.Equal(t, c.want, framework.SafeToRetry(fmt.Errorf("with text: %w", err)), "wrapped")
				assert.False(t, framework.SafeToRetry(errors.Join(err, framework.ErrOutcomeUnknown)))
				assert.False(t, framework.SafeToRetry(fmt.Errorf("%w: %w", framework.ErrReleasing, err)))
			})
		})
	}
}

func TestSafeToRetryOfOtherErrorsIsFalse(t *testing.T) {
	for _, err := range []error{
		nil, framework.ErrNoNode, framework.ErrNotConnected, context.Canceled, errors.New("x"),
		&framework.OpError{Op: "set", Path: "/a", Err: framework.ErrNoNode},
	} {
		assert.False(t, framework.SafeToRetry(err), "%v", err)
	}
}

// Codes that go-zookeeper has no error for, for each write, a read and a guaranteed delete.
func TestCodesWithoutAnError(t *testing.T) {
	refusals := map[zktest.ErrCode]bool{-6: true, -120: true, -124: true, -125: true}
	for _, code := range []zktest.ErrCode{-6, -7, -120, -124, -125, -127, 5} {
		for _, w := range writings() {
			for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
				if stage == zktest.Reply && code != -7 && code != 5 {
					continue // a server that says so has not applied it
				}
				if code == -6 && w.op == zktest.OpCreate2 {
					continue // it is said of create2, and create takes its place
				}
				t.Run(fmt.Sprint(w.name, " ", int32(code), " ", stage), func(t *testing.T) {
					bubble(t, func(t *testing.T) { w.judge(t, stage, code, refusals[code]) })
				})
			}
		}
	}
}

// judge has a write answered so once, and compares what is said of it with what became of it.
func (w writing) judge(t *testing.T, stage zktest.Stage, code zktest.ErrCode, refusal bool) {
	s := startServer(t, zktest.Config{})
	mustCreate(t, s, "/node", "old")
	cli := connected(t, s)
	onceOn(t, s, stage, w.op, zktest.AnswerWith(code), func() {})
	err := w.write(within(t, time.Minute), cli)
	applied := w.applied(s)
	switch {
	case err == nil:
		assert.True(t, applied)
		assert.False(t, refusal)
	case refusal:
		assert.True(t, framework.SafeToRetry(err), "%v", err)
		assert.False(t, applied)
	default:
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		assert.False(t, framework.SafeToRetry(err))
	}
}

// A guaranteed delete that is answered so is done in the end, unless a server has refused it.
func TestGuaranteedDeleteOverCodesWithoutAnError(t *testing.T) {
	for code, refusal := range map[zktest.ErrCode]bool{-6: true, -7: false, -120: true, -124: true, -125: true, -127: false, 5: false} {
		t.Run(fmt.Sprint(int32(code)), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "")
				cli := connected(t, s)
				answering(t, s, zktest.OpDelete, code, 3)
				err := cli.Delete(within(t, 10*time.Second), "/node", framework.AnyVersion, framework.Guaranteed)
				time.Sleep(time.Minute)
				assert.Equal(t, refusal, framework.SafeToRetry(err), "%v", err)
				assert.Equal(t, refusal, s.Exists("/node"), "%v", err)
			})
		})
	}
}
