package docenttest_test

import (
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestLoseSessionReturnsInTheNextSession(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		a, b, other := srv.Connect("host"), srv.Connect("host"), srv.Connect("other")
		_, err := a.Create(t.Context(), "/up", nil, framework.Ephemeral)
		require.NoError(t, err)
		ids := []int64{a.State().SessionID, b.State().SessionID, other.State().SessionID}

		srv.LoseSession("host")
		for i, cli := range []*framework.Client{a, b} {
			assert.Equal(t, framework.Connected, cli.State().State)
			assert.NotEqual(t, ids[i], cli.State().SessionID)
		}
		assert.Equal(t, ids[2], other.State().SessionID)
		assert.False(t, srv.Exists("/up"))
	})
}

func TestBlipKeepsTheSession(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		cli := srv.Connect("worker")
		id, begun := cli.State().SessionID, time.Now()
		called := false
		srv.Blip("worker", func() {
			called = true
			assert.Equal(t, framework.Suspended, cli.State().State)
		})
		assert.True(t, called)
		assert.Equal(t, framework.Reconnected, cli.State().State)
		assert.Equal(t, id, cli.State().SessionID)
		assert.GreaterOrEqual(t, time.Since(begun), docenttest.SessionTimeout/5)
		assert.Less(t, time.Since(begun), docenttest.SessionTimeout)

		srv.Blip("worker", nil)
		assert.Equal(t, id, cli.State().SessionID)
	})
}

func TestABlipDuringWhichTheSessionEndsReturnsInTheNextSession(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		cli := srv.Connect("worker")
		id := cli.State().SessionID
		srv.Blip("worker", func() { time.Sleep(2 * docenttest.SessionTimeout) })
		assert.Equal(t, framework.Connected, cli.State().State)
		assert.NotEqual(t, id, cli.State().SessionID)
	})
}

func TestDisconnectSilenceAndOutageLastUntilTheyAreEnded(t *testing.T) {
	for name, fault := range map[string]func(srv *docenttest.Server) (end func()){
		"disconnect": func(srv *docenttest.Server) func() { return srv.Disconnect("worker") },
		"silence":    func(srv *docenttest.Server) func() { return srv.Silence("worker") },
		"outage":     func(srv *docenttest.Server) func() { return srv.Outage() },
	} {
		t.Run(name, func(t *testing.T) {
			docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
				cli := srv.Connect("worker")
				id := cli.State().SessionID
				end := fault(srv)
				assert.Equal(t, id, srv.WaitState(cli, framework.Lost).SessionID)
				time.Sleep(time.Minute)
				synctest.Wait()
				assert.Equal(t, framework.Lost, cli.State().State)
				end()
				assert.NotEqual(t, id, srv.WaitState(cli, framework.Connected).SessionID)
			})
		})
	}
}

func TestClientsOfOneNameDrawDifferentRandomNumbersInEveryRunTheSame(t *testing.T) {
	draw := func(t *testing.T) (drawn [3][16]byte) {
		docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
			for i, name := range []string{"a", "a", "b"} {
				_, err := io.ReadFull(srv.Config(name).Random, drawn[i][:])
				require.NoError(t, err)
			}
		})
		return drawn
	}
	first := draw(t)
	assert.NotEqual(t, first[0], first[1])
	assert.NotEqual(t, first[0], first[2])
	assert.Equal(t, first, draw(t))
}

func TestPutCreatesParentsAndReplacesData(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		assert.Nil(t, srv.List("/config"))
		srv.Put("/config/app/workers", "8")
		srv.Put("/config/app/workers", "9")
		assert.Equal(t, []string{"app"}, srv.List("/config"))
		data, stat, err := srv.Get("/config/app/workers")
		require.NoError(t, err)
		assert.Equal(t, "9", string(data))
		assert.Equal(t, int32(1), stat.Version)
	})
}

func TestEventuallyReturnsSoonAfterItsConditionIsTrue(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		var n atomic.Int64
		begun := time.Now()
		go func() {
			for range 10 {
				time.Sleep(time.Second)
				n.Add(1)
			}
		}()
		srv.Eventually("ten seconds pass", func() bool { return n.Load() == 10 })
		assert.Less(t, time.Since(begun), 11*time.Second)
	})
}

func TestStartTakesAConfigurationAndPassesItsTraceOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines atomic.Int64
		srv := docenttest.Start(t, zktest.Config{
			Endpoints: 3, Latency: time.Second, Nodes: map[string]string{"/a/b": "x"}, Trace: func(string) { lines.Add(1) },
		})
		srv.Connect("worker", func(cfg *framework.Config) { cfg.SessionTimeout = time.Minute })
		assert.Len(t, srv.Addrs(), 3)
		assert.Equal(t, time.Minute, srv.Sessions()[0].Timeout)
		assert.True(t, srv.Exists("/a/b"))
		assert.Positive(t, lines.Load())
		begun := time.Now()
		srv.Settle()
		assert.Equal(t, 100*time.Second, time.Since(begun))
	})
}

func TestWrapUsesTheServersOfACluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, err := zktest.StartMemoryCluster(3, zktest.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cluster.Close()) })
		srv := docenttest.Wrap(t, cluster.Server)
		cli := srv.Connect("worker")
		id := cli.State().SessionID
		srv.LoseSession("worker")
		assert.NotEqual(t, id, cli.State().SessionID)
		srv.Settle()
	})
}
