package framework

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// slowContext is a context of a user's own type. It takes its time when it is asked anything, once it is slow.
type slowContext struct {
	context.Context
	slow chan struct{} // closed when it is
	free chan struct{} // closed when it is not any more
}

func (c *slowContext) stand() {
	select {
	case <-c.slow:
		<-c.free
	default:
	}
}

func (c *slowContext) Value(key any) any           { c.stand(); return c.Context.Value(key) }
func (c *slowContext) Done() <-chan struct{}       { c.stand(); return c.Context.Done() }
func (c *slowContext) Err() error                  { c.stand(); return c.Context.Err() }
func (c *slowContext) Deadline() (time.Time, bool) { c.stand(); return c.Context.Deadline() }

// A context that stands still when it is asked, and a function that does when a context has ended, hold up neither the states nor
// the contexts of others.
func TestUsersCodeHoldsUpNothing(t *testing.T) {
	for name, parent := range map[string]func(c *slowContext) context.Context{
		"the parent": func(c *slowContext) context.Context { return c },
		"above the parent": func(c *slowContext) context.Context {
			return context.WithValue(c, slowContext{}, "value")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, cli, session, _ := memoryClient(t, nil)
				c := &slowContext{t.Context(), make(chan struct{}), make(chan struct{})}
				var released []func(error)
				for _, policy := range []Policy{cancelIt, holdOn, {OnSuspended: Hold, OnLost: Stop, Grace: time.Millisecond}} {
					ctx, cancel := session.ClaimContext(parent(c), policy)
					released = append(released, cancel)
					context.AfterFunc(ctx, c.stand)
				}
				others := bindAll(t, session)
				close(c.slow)
				t.Cleanup(func() {
					close(c.free)
					for _, cancel := range released {
						cancel(nil)
					}
				})
				start := time.Now()
				s.Stop()
				await(t, cli, Suspended)
				require.ErrorIs(t, context.Cause(others.cancel), ErrSuspended)
				await(t, cli, Lost)
				assert.LessOrEqual(t, time.Since(start), T)
				for _, ctx := range []context.Context{others.claim, others.hold} {
					require.Error(t, ctx.Err())
				}
				require.NoError(t, s.StartEndpoint())
				await(t, cli, Connected)
			})
		})
	}
}

// What one session has learnt of the servers is known in the next: that they close the connection over a create2.
func TestServersWithoutCreate2AreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, _, _ := memoryClient(t, nil)
		asked := 0
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op != zktest.OpCreate2 {
				return zktest.Pass
			}
			asked++
			return zktest.Cut
		})()
		for range 3 {
			node, err := cli.Create(t.Context(), "/node-", nil, EphemeralSequential, Protected)
			require.NoError(t, err)
			assert.NotZero(t, node.Stat.Czxid)
			require.True(t, s.ExpireSession(cli.State().SessionID))
			await(t, cli, Lost)
			await(t, cli, Connected)
		}
		assert.Equal(t, 2, asked)
	})
}
