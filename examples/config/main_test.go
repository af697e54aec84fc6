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
	s := &stage.Stage{Name: "config", Out: &out, ConnectString: zk, Timeout: 15 * time.Second}
	require.Equal(t, stage.Held, s.Play(t.Context(), tell), out.String())
	t.Log("\n" + out.String())
	for _, part := range []string{
		"\n1.", "the default is in force",
		"\n2.", "value {RequestsPerSecond:50", "it is in force; Load takes no lock",
		"\n3.", "error data of /config/limits, version 1: ", "the last good configuration stays in force",
		"\n4.", "requestsPerSecond is 0, and must be positive",
		"\n5.", "value {RequestsPerSecond:75 Blocked:[mallory]}", "2 states of the node were rejected",
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
