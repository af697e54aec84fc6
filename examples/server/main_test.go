package main

import (
	"bufio"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/framework"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-tick", "100ms", "-members", "3"}, out) }()
	lines := bufio.NewScanner(in)
	require.True(t, lines.Scan())
	cli, err := framework.New(framework.Config{ConnectString: lines.Text()})
	require.NoError(t, err)
	_, err = cli.Create(t.Context(), "/node", nil)
	require.NoError(t, err)
	require.NoError(t, cli.Close())
	cancel()
	require.NoError(t, <-done)
}
