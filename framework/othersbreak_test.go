package framework_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Others keep breaking the connection with nodes that are too long for the client and its line. Requests whose answers are short are not
// taken for the reason: they go on until they are answered.
func TestOthersBreakTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/big", string(make([]byte, 500<<10)))
		mustCreate(t, s, "/small", "")
		cli := connected(t, s, func(c *framework.Config) { c.MaxReplySize = 100 << 10 })
		assert.Equal(t, 100<<10, cli.MaxReplySize())
		session := sessionOf(t, cli)
		defer s.Throttle(zktest.AllConns(), 200<<10)()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var others sync.WaitGroup
		others.Go(func() {
			for ctx.Err() == nil {
				_, err := cli.Get(ctx, "/big")
				if ctx.Err() == nil {
					assert.ErrorIs(t, err, framework.ErrReplyRefused)
				}
				time.Sleep(300 * time.Millisecond)
			}
		})
		short := map[string]func() error{
			"exists": func() error { _, _, err := session.Exists(t.Context(), "/small"); return err },
			"sync":   func() error { return session.Sync(t.Context(), "/small") },
			"set": func() error {
				_, err := session.Set(t.Context(), "/small", nil, framework.AnyVersion, framework.Idempotent)
				return err
			},
			"watch": func() error {
				_, _, watch, err := session.WatchExists(t.Context(), "/small")
				if err == nil {
					watch.Stop()
				}
				return err
			},
			"create and delete": func() error {
				n, err := session.Create(t.Context(), "/n-", nil, framework.EphemeralSequential)
				if err != nil {
					return nil //nolint:nilerr // its outcome is unknown, at the first try
				}
				return session.Delete(t.Context(), n.Path, framework.AnyVersion)
			},
		}
		var innocent sync.WaitGroup
		for name, do := range short {
			innocent.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					err := do()
					assert.NotErrorIs(t, err, framework.ErrReplyRefused, fmt.Sprintf("%s %d", name, n))
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		others.Wait()
		innocent.Wait()
		assert.Greater(t, s.Counts().Accepted, int64(5), "the connection has been broken again and again")
		require.NoError(t, session.Err())
	})
}
