package counter_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// realClient starts a client of a real server. Its session outlives any stall of the machine.
func realClient(t *testing.T, connect string) *framework.Client {
	t.Helper()
	cli, err := framework.New(framework.Config{ConnectString: connect})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	require.NoError(t, cli.WaitConnected(within(t)))
	return cli
}

// within is a context for what must happen, and far longer than it should take.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Several processes count while their connections break and a session ends; somebody follows.
func TestRealCounter(t *testing.T) {
	space := realzk.Shared(t)
	const clients, each = 3, 60
	follower := counter.NewInt(realClient(t, space.ConnectString()), path).Changes(within(t))
	var all sync.WaitGroup
	h := &history{}
	for range clients {
		proxy := realzk.NewProxy(t, space.Addr())
		cli := realClient(t, proxy.Addr()+space.Root())
		i := counter.NewInt(cli, path)
		all.Go(func() {
			for round := range each {
				switch round % 20 {
				case 7:
					proxy.Cut()
				case 17:
					assert.NoError(t, space.ExpireSession(within(t), cli.State().SessionID))
				}
				h.add(within(t), t, i)
			}
		})
	}
	all.Wait()
	last := int64(-1)
	for last < clients*each {
		s, open := <-follower.C
		require.True(t, open, "%v: it ended at %d", follower.Err(), last)
		require.GreaterOrEqual(t, s.Value, last, "back in time")
		last = s.Value
	}
	h.check(t, last)
	assert.Zero(t, h.unknown)
}

// What the receipt costs in time is for the log: it depends on the machine.
func TestRealCosts(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	for name, i := range map[string]*counter.Int{
		"with receipt":    counter.NewInt(cli, "/exact"),
		"without receipt": counter.NewInt(cli, "/plain", counter.WithoutReceipt),
	} {
		_, err := i.Add(within(t), 1)
		require.NoError(t, err)
		const n = 300
		at := time.Now()
		for range n {
			_, err := i.Add(within(t), 1)
			require.NoError(t, err)
		}
		t.Log(name, fmt.Sprint(time.Since(at)/n), "for one Add")
	}
}
