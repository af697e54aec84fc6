package lock_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// countingConn counts calls of Write.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// The create and the list of an uncontended Lock leave in one write, and the delete of Unlock is another one.
func TestUncontendedLockTakesTwoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		var writes atomic.Int64
		cli, err := framework.New(framework.Config{
			ConnectString: s.ConnectString(),
			Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := s.Client("test").Dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return countingConn{conn, &writes}, nil
			},
		})
		require.NoError(t, err)
		defer func() { require.NoError(t, cli.Close()) }()
		m := lock.New(cli, "/lock")
		pair := func() {
			held, err := m.Lock(t.Context())
			require.NoError(t, err)
			require.NoError(t, held.Unlock(t.Context()))
		}
		pair() // makes the parent
		const pairs = 100
		before, requests := writes.Load(), s.Counts()
		for range pairs {
			pair()
		}
		took := float64(writes.Load()-before) / pairs
		t.Logf("%.2f writes for a Lock and Unlock, of %.2f requests", took, float64(s.Counts().Sub(requests).RoundTrips())/pairs)
		assert.LessOrEqual(t, took, 2.0)
	})
}
