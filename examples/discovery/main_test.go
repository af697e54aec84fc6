package main

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }

func run(ctx context.Context, out io.Writer, zk string, timeout time.Duration) int {
	return (&stage.Stage{Name: "discovery", Out: out, ConnectString: zk, Timeout: timeout}).Play(ctx, tell)
}

func complete(t *testing.T, zk string, timeout time.Duration) {
	t.Helper()
	var out bytes.Buffer
	code := run(t.Context(), &out, zk, timeout)
	t.Log("\n" + out.String())
	require.Equal(t, 0, code)
	require.Contains(t, out.String(), "Everything held.")
	for _, scene := range []string{"\n1.", "\n2.", "\n3.", "\n4."} {
		require.Contains(t, out.String(), scene)
	}
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	complete(t, "", 3*time.Second)
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	complete(t, realzk.Standalone(t, realzk.Options{}).Addr(), 3*time.Second)
}

func TestWithoutServers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, 2, run(ctx, io.Discard, "127.0.0.1:1", time.Second))
	require.Equal(t, 2, run(t.Context(), io.Discard, "no/such:place//", time.Second))
}
