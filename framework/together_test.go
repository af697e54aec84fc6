package framework_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// gathering is many creates at once, in a bubble, on a server that takes its time.
type gathering struct {
	t    *testing.T
	s    *zktest.Server
	cli  *framework.Client
	errs []error // of /dir/000 and so on
	all  sync.WaitGroup
}

// gather begins n creates. It returns when two of them are under way and the others wait for these.
func gather(ctx context.Context, t *testing.T, s *zktest.Server, n int, opts ...framework.CreateOption) *gathering {
	t.Helper()
	g := &gathering{t: t, s: s, cli: connected(t, s), errs: make([]error, n)}
	t.Cleanup(s.Delay(zktest.AllConns(), 10*time.Millisecond))
	session := sessionOf(t, g.cli)
	for i := range n {
		g.all.Go(func() {
			node, err := recipekit.CreateTogether(ctx, session, nameOf(i), []byte("x"), append([]framework.CreateOption{framework.Ephemeral}, opts...)...)
			if g.errs[i] = err; err == nil {
				assert.Equal(t, nameOf(i), node.Path)
				assert.Equal(t, "x", string(node.Data))
			}
		})
	}
	synctest.Wait()
	return g
}

func nameOf(i int) string { return fmt.Sprintf("/dir/%03d", i) }

// refused lists the creates that have failed.
func (g *gathering) refused() (failed []int) {
	g.all.Wait()
	for i, err := range g.errs {
		if err != nil {
			failed = append(failed, i)
		}
	}
	return failed
}

// made checks that exactly the first n nodes are there, of this session.
func (g *gathering) made(n int) {
	g.t.Helper()
	names, err := g.s.Children("/dir")
	require.NoError(g.t, err)
	require.Len(g.t, names, n)
	for _, name := range names {
		_, stat, err := g.s.Get("/dir/" + name)
		require.NoError(g.t, err)
		require.Equal(g.t, g.cli.State().SessionID, stat.EphemeralOwner)
	}
}

// directory starts a server with a directory for the nodes.
func directory(t *testing.T) *zktest.Server {
	t.Helper()
	s := startServer(t, zktest.Config{})
	_, err := s.Create("/dir", nil, zktest.Persistent)
	require.NoError(t, err)
	return s
}

// Creates that come while others are under way take one request, in which only so many bytes fit.
func TestCreatesAreMadeTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := directory(t)
		before := s.Counts()
		g := gather(t.Context(), t, s, 600)
		assert.Empty(t, g.refused())
		g.made(600)
		cost := s.Counts().Sub(before).Requests
		assert.EqualValues(t, 2, cost[zktest.OpCreate2])
		assert.LessOrEqual(t, cost[zktest.OpMulti], int64(3))
	})
}

// One that is refused does not take the others along.
func TestARefusedCreateIsRefusedAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := directory(t)
		for _, i := range []int{7, 70} {
			_, err := s.Create(nameOf(i), nil, zktest.Persistent)
			require.NoError(t, err)
		}
		g := gather(t.Context(), t, s, 100)
		require.Equal(t, []int{7, 70}, g.refused())
		for _, i := range []int{7, 70} {
			require.ErrorIs(t, g.errs[i], framework.ErrNodeExists)
			assert.True(t, framework.SafeToRetry(g.errs[i]))
			require.NoError(t, s.Delete(nameOf(i)))
		}
		g.made(98)
	})
}

// A missing parent is made, as for creates by themselves; without Parents all are refused.
func TestCreatesTogetherBelowAMissingParent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		g := gather(t.Context(), t, s, 20)
		require.Len(t, g.refused(), 20)
		for _, err := range g.errs {
			require.ErrorIs(t, err, framework.ErrNoNode)
		}
		g = gather(t.Context(), t, s, 20, framework.Parents)
		assert.Empty(t, g.refused())
		g.made(20)
	})
}

// The connection breaks with the transaction, before or after it is applied: each create finds out for itself.
func TestCreatesTogetherWhoseReplyIsLost(t *testing.T) {
	for name, stage := range map[string]zktest.Stage{"before": zktest.Request, "after": zktest.Reply} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := directory(t)
				lost := false
				s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if lost || f.Op != zktest.OpMulti || f.Stage != stage {
						return zktest.Pass
					}
					lost = true
					return zktest.Cut
				})
				g := gather(t.Context(), t, s, 50)
				assert.Empty(t, g.refused())
				assert.True(t, lost)
				g.made(50)
			})
		})
	}
}

// Creates that are given up while they gather are certainly not applied. Those that are under way may be, and settle.
func TestCreatesTogetherThatAreGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := directory(t)
		ctx, cancel := context.WithCancel(t.Context())
		g := gather(ctx, t, s, 50)
		cancel()
		g.refused()
		safe := slices.DeleteFunc(slices.Clone(g.errs), func(err error) bool { return !framework.SafeToRetry(err) })
		assert.Len(t, safe, 48)
		g.settle()
		g.made(2)
	})
	bubble(t, func(t *testing.T) {
		s := directory(t)
		ctx, cancel := context.WithCancel(t.Context())
		g := gather(ctx, t, s, 50)
		time.Sleep(25 * time.Millisecond) // the two are answered, and the others have been sent
		cancel()
		require.Len(t, g.refused(), 48)
		for _, err := range g.errs {
			require.False(t, err != nil && framework.SafeToRetry(err))
		}
		g.settle()
		g.made(50)
	})
}

// settle waits until nothing of what was given up is under way.
func (g *gathering) settle() {
	for _, err := range g.errs {
		var op *framework.OpError
		if err != nil {
			require.ErrorAs(g.t, err, &op)
			<-op.Settled()
		}
	}
}

// The end of the session ends all.
func TestCreatesTogetherInASessionThatIsLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := directory(t)
		g := gather(t.Context(), t, s, 50)
		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		require.Len(t, g.refused(), 50)
		for _, err := range g.errs {
			require.ErrorIs(t, err, framework.ErrSessionLost)
		}
		heal()
	})
}

// When a server says that a session is over, the next one begins without a pause.
func TestNextSessionBeginsAtOnceAfterAServerHasEndedOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := directory(t)
		cli := connected(t, s)
		states := cli.States(t.Context())
		require.True(t, s.ExpireSession(cli.State().SessionID))
		var lost time.Time
		for change := range states {
			if change.State == framework.Lost {
				lost = change.Time
			} else if change.State == framework.Connected && change.Epoch == 2 {
				assert.Less(t, change.Time.Sub(lost), 2*time.Millisecond, "a dial and a handshake")
				return
			}
		}
	})
}
