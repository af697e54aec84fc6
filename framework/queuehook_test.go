package framework_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/zktest"
)

// queueCreates are the creates that list the directory right behind them. With Ephemeral the path asked for is the path of the node.
var queueCreates = map[string]func(ctx context.Context, s *framework.Session) ([]string, error){
	"create in queue": func(ctx context.Context, s *framework.Session) ([]string, error) {
		_, names, err := recipekit.CreateInQueue(ctx, s, "/q", "name", nil, framework.Ephemeral)
		return names, err
	},
	"create twins in queue": func(ctx context.Context, s *framework.Session) ([]string, error) {
		_, names, err := recipekit.CreateTwinsInQueue(ctx, s, "/q", []string{"one"}, nil, framework.Ephemeral)
		return names, err
	},
}

// The list is sent once, behind the create, even if other requests name the same path while the create is under way.
func TestRequestsForANewNodeDoNotRepeatTheListOfItsQueue(t *testing.T) {
	for name, create := range queueCreates {
		t.Run(name+", read by somebody else", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/q", "")
				cli := connected(t, s)
				defer s.Delay(zktest.AllConns(), 10*time.Millisecond)()
				session := sessionOf(t, cli)
				ctx := within(t, time.Minute)
				w, err := session.WatchTree(ctx, "/q")
				require.NoError(t, err)
				read := make(chan error, 1)
				go func() {
					ev, err := w.Next(ctx)
					if err == nil {
						_, err = session.Get(ctx, ev.Path)
					}
					read <- err
				}()
				before := s.Counts().Requests[zktest.OpGetChildren2]
				names, err := create(ctx, session)
				require.NoError(t, err)
				assert.Len(t, names, 1)
				require.NoError(t, <-read)
				w.Stop()
				assert.Equal(t, before+1, s.Counts().Requests[zktest.OpGetChildren2])
				assert.NoError(t, cli.Sync(ctx, "/"))
			})
		})
		t.Run(name+", looked at without create2", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/q", "")
				defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Op == zktest.OpCreate2 {
						return zktest.Cut
					}
					return zktest.Pass
				})()
				cli := connected(t, s)
				names, err := create(within(t, time.Minute), sessionOf(t, cli))
				require.NoError(t, err)
				assert.Len(t, names, 1)
			})
		})
	}
}
