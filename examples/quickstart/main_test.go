package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }

// log passes on what is told, and calls a function once when a text has come by.
type log struct {
	bytes.Buffer
	cue  string
	then func()
}

func (l *log) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p)
	if l.then != nil && strings.Contains(l.String(), l.cue) {
		l.then()
		l.then = nil
	}
	return n, err
}

func run(ctx context.Context, out io.Writer, zk string, timeout time.Duration) int {
	return (&stage.Stage{Name: "quickstart", Out: out, ConnectString: zk, Timeout: timeout}).Play(ctx, tell)
}

func complete(t *testing.T, out *log) {
	t.Helper()
	t.Log("\n" + out.String())
	require.Contains(t, out.String(), "Everything held.")
	for _, scene := range []string{"\n1.", "\n2.", "\n3.", "\n4.", "\n5."} {
		require.Contains(t, out.String(), scene)
	}
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	out := &log{}
	require.Equal(t, 0, run(t.Context(), out, "", 3*time.Second), out.String())
	complete(t, out)
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	server := realzk.Standalone(t, realzk.Options{})
	out := &log{}
	require.Equal(t, 0, run(t.Context(), out, server.Addr(), 4*time.Second), out.String())
	complete(t, out)
}

// While bob is cut off, the ensemble loses its leader too.
func TestOnEnsembleWhoseLeaderIsKilled(t *testing.T) {
	t.Parallel()
	cluster := realzk.Ensemble(t, 3, realzk.Options{})
	leader, err := cluster.Leader(t.Context())
	require.NoError(t, err)
	out := &log{cue: "bob's packets vanish", then: func() { require.NoError(t, leader.Kill()) }}
	require.Equal(t, 0, run(t.Context(), out, cluster.ConnectString(), 6*time.Second), out.String())
	complete(t, out)
	now, err := cluster.Leader(t.Context())
	require.NoError(t, err)
	require.NotSame(t, leader, now)
}

func TestWithoutServers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, 2, run(ctx, io.Discard, "127.0.0.1:1", time.Second))
	require.Equal(t, 2, run(t.Context(), io.Discard, "no/such:place//", time.Second))
}
