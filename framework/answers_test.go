package framework_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// Codes that refuse a request, whatever it was, and codes that say nothing about it. What no server of today sends is among the
// latter.
var (
	refusingCodes = []zktest.ErrCode{-6, -8, -115, -119, -120, -124, -125}
	oddCodes      = []zktest.ErrCode{-1, -2, -3, -4, -5, -7, -100, -117, -122, -999, 1, 42}
)

// writing is a write of /node, or one that creates /made.
type writing struct {
	name    string
	op      zktest.Op
	codes   []zktest.ErrCode // refusals of its own
	foreign []zktest.ErrCode // refusals of other operations
	write   func(ctx context.Context, cli *framework.Client) error
	applied func(s *zktest.Server) bool
}

func writings() []writing {
	exists := func(path string, want bool) func(*zktest.Server) bool {
		return func(s *zktest.Server) bool { return s.Exists(path) == want }
	}
	set := func(s *zktest.Server) bool {
		data, _, err := s.Get("/node")
		return err == nil && string(data) == "new"
	}
	create := func(opts ...framework.CreateOption) func(context.Context, *framework.Client) error {
		return func(ctx context.Context, cli *framework.Client) error {
			_, err := cli.Create(ctx, "/made", []byte("new"), opts...)
			return err
		}
	}
	created := []zktest.ErrCode{-101, -102, -108, -110, -114}
	return []writing{
		{"create", zktest.OpCreate2, created, []zktest.ErrCode{-103, -111}, create(), exists("/made", true)},
		{"create, ephemeral", zktest.OpCreate2, created, nil, create(framework.Ephemeral), exists("/made", true)},
		{"create, protected", zktest.OpCreate2, created, nil, create(framework.Ephemeral, framework.Protected), func(s *zktest.Server) bool {
			names, err := s.Children("/")
			return err == nil && len(names) == 3 // with /node and /zookeeper
		}},
		{"set", zktest.OpSetData, []zktest.ErrCode{-101, -102, -103}, []zktest.ErrCode{-108, -110, -111, -114},
			func(ctx context.Context, cli *framework.Client) error {
				_, err := cli.Set(ctx, "/node", []byte("new"), framework.AnyVersion)
				return err
			}, set},
		{"setACL", zktest.OpSetACL, []zktest.ErrCode{-101, -102, -103, -114}, []zktest.ErrCode{-108, -110, -111},
			func(ctx context.Context, cli *framework.Client) error {
				_, err := cli.SetACL(ctx, "/node", framework.OpenACL(), 0)
				return err
			}, func(s *zktest.Server) bool { return s.Dump()["/node"].Stat.Aversion == 1 }},
		{"delete", zktest.OpDelete, []zktest.ErrCode{-101, -102, -103, -111}, []zktest.ErrCode{-108, -110, -114},
			func(ctx context.Context, cli *framework.Client) error { return cli.Delete(ctx, "/node", 0) }, exists("/node", false)},
		{"multi", zktest.OpMulti, []zktest.ErrCode{-101, -102, -103, -108, -110, -111, -114}, nil,
			func(ctx context.Context, cli *framework.Client) error {
				_, err := cli.Multi(ctx, []framework.Op{framework.SetOp("/node", []byte("new"), framework.AnyVersion)})
				return err
			}, set},
	}
}

// answerOnce has one request answered with an error. It returns what the write returned and whether it was applied.
func (w writing) answerOnce(t *testing.T, stage zktest.Stage, code zktest.ErrCode) (err error, applied bool) {
	t.Helper()
	s := startServer(t, zktest.Config{})
	mustCreate(t, s, "/node", "old")
	cli := connected(t, s)
	require.NoError(t, cli.Sync(t.Context(), "/"))
	onceOn(t, s, stage, w.op, zktest.AnswerWith(code), nothing)
	before := s.Counts()
	err = w.write(within(t, time.Minute), cli)
	sent := s.Counts().Sub(before).Requests[w.op]
	assert.LessOrEqual(t, sent, int64(1), "it was sent again, and may be applied twice")
	return err, w.applied(s)
}

// A code that says that nothing was applied is the result of the operation.
func TestCodesThatRefuseAWrite(t *testing.T) {
	for _, w := range writings() {
		for _, code := range append(w.codes, refusingCodes...) {
			t.Run(fmt.Sprint(w.name, " ", int32(code)), func(t *testing.T) {
				if code == -6 && w.op == zktest.OpCreate2 {
					t.Skip("it is said of create2, and create takes its place")
				}
				bubble(t, func(t *testing.T) {
					err, _ := w.answerOnce(t, zktest.Request, code)
					require.Error(t, err)
					assert.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
				})
			})
		}
	}
}

// Any other code may come from a server that has lost track of the write. Either it is found out that it was applied, or the
// error says that nobody knows. The write is never said to have failed, and never sent again.
func TestCodesThatSayNothingOfAWrite(t *testing.T) {
	for _, w := range writings() {
		for _, code := range append(w.foreign, oddCodes...) {
			for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
				t.Run(fmt.Sprint(w.name, " ", int32(code), " ", stage), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						err, applied := w.answerOnce(t, stage, code)
						if err == nil {
							assert.True(t, applied, "it succeeded and was not applied")
							return
						}
						require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
					})
				})
			}
		}
	}
}

// A server that was too busy to look is asked again, as often as need be.
func TestWriteThatIsThrottledIsSentAgain(t *testing.T) {
	for _, w := range writings() {
		t.Run(w.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "old")
				cli := connected(t, s)
				throttled := answering(t, s, w.op, -127, 5)
				require.NoError(t, w.write(within(t, time.Minute), cli))
				assert.True(t, w.applied(s))
				assert.Equal(t, 5, *throttled)
			})
		})
	}
}

// A read that is answered with a code that says nothing is sent again, a few times.
func TestCodesThatSayNothingOfARead(t *testing.T) {
	for _, code := range oddCodes {
		for name, n := range map[string]int{"once": 1, "always": -1} {
			t.Run(fmt.Sprint(int32(code), " ", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := startServer(t, zktest.Config{})
					mustCreate(t, s, "/node", "data")
					session := sessionOf(t, connected(t, s))
					answered := answering(t, s, zktest.OpGetData, code, n)
					node, err := session.Get(within(t, time.Minute), "/node")
					if n == 1 {
						require.NoError(t, err)
						assert.Equal(t, "data", string(node.Data))
						return
					}
					require.Error(t, err)
					assert.NotErrorIs(t, err, context.DeadlineExceeded)
					assert.LessOrEqual(t, *answered, 3)
				})
			})
		}
	}
	for _, code := range append(refusingCodes, -101, -102) {
		t.Run(fmt.Sprint(int32(code)), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				answered := answering(t, s, zktest.OpGetData, code, -1)
				_, err := connected(t, s).Get(within(t, time.Minute), "/node")
				require.Error(t, err)
				assert.Equal(t, 1, *answered, "a refusal is an answer")
			})
		})
	}
}

// A guaranteed delete and the removal of twins go on over answers that say nothing, for as long as it takes.
func TestGuaranteedDeleteContinuesAfterCodesWithoutMeaning(t *testing.T) {
	for _, code := range oddCodes {
		t.Run(fmt.Sprint(int32(code)), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/node", "")
				cli := connected(t, s)
				session := sessionOf(t, cli)
				twins, err := recipekit.CreateTwins(t.Context(), session, "/dir", []string{"a-", "b-"}, nil)
				require.NoError(t, err)
				answering(t, s, zktest.OpDelete, code, 10)
				answering(t, s, zktest.OpMulti, code, 10)
				err = cli.Delete(within(t, time.Minute), "/node", framework.AnyVersion, framework.Guaranteed)
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				err = recipekit.DeleteTwins(within(t, time.Minute), session, []string{twins[0].Path, twins[1].Path})
				require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
				time.Sleep(time.Minute)
				assert.False(t, s.Exists("/node"))
				names, err := s.Children("/dir")
				require.NoError(t, err)
				assert.Empty(t, names)
			})
		})
	}
}

// The node of a create that was given up is removed, over answers that say nothing.
func TestOrphanIsRemovedOverCodesThatSayNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/dir", "")
		cli := connected(t, s)
		onceOn(t, s, zktest.Reply, zktest.OpCreate2, zktest.AnswerWith(-7), nothing)
		answering(t, s, zktest.OpGetChildren2, -7, 10)
		_, err := cli.Create(within(t, time.Minute), "/dir/n-", nil, framework.EphemeralSequential, framework.Protected)
		require.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		time.Sleep(time.Minute)
		names, err := s.Children("/dir")
		require.NoError(t, err)
		assert.Empty(t, names)
	})
}
