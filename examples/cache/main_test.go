package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }

func play(t *testing.T, zk string) {
	t.Helper()
	var out bytes.Buffer
	s := &stage.Stage{Name: "cache", Out: &out, ConnectString: zk, Timeout: 3 * time.Second}
	require.Equal(t, stage.Held, s.Play(t.Context(), tell), out.String())
	t.Log("\n" + out.String())
	for _, part := range []string{
		"\n1.", "6 nodes, parents before their children",
		"\n2.", `the cache has it: "10"`,
		"\n3.", "LOST: session is lost", "the cache serves what it has", "the cache is stale",
		"\n4.", "the difference is told, each thing once", "equals the servers' tree: 6 nodes",
	} {
		require.Contains(t, out.String(), part)
	}
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	play(t, "")
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	play(t, realzk.Shared(t).ConnectString())
}
