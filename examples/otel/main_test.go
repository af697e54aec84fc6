package main

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }

// explains is the trace in the order of its lines.
var explains = regexp.MustCompile(`(?s)` +
	`0ms  ━{32}  process order.*` +
	`━+ +lock\.acquire +\S+s  /locks/orders.*` +
	`━+ +zookeeper create.*` +
	`· queued .*` +
	`· rank +ahead: 1  behind /locks/orders/.*` +
	`· suspended .*connection broke.*` +
	`· reconnected.*` +
	`· rank +ahead: 0\n.*` +
	`━+ +lock\.hold +\S+s  /locks/orders  released.*` +
	`━+ +zookeeper create .* /orders/done`)

func play(t *testing.T, zk string) string {
	t.Helper()
	var out bytes.Buffer
	s := &stage.Stage{Name: "otel", Out: &out, ConnectString: zk, Timeout: 4 * time.Second}
	status := s.Play(t.Context(), tell)
	t.Log("\n" + out.String())
	require.Equal(t, stage.Held, status)
	require.Regexp(t, explains, out.String())
	return out.String()
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	require.NotContains(t, play(t, ""), "SpanContext")
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	play(t, realzk.Shared(t).ConnectString())
}

func TestRaw(t *testing.T) {
	*raw = true
	defer func() { *raw = false }()
	require.Contains(t, play(t, ""), `"Name": "lock.acquire"`)
}
