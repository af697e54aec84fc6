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

func play(t *testing.T, zk string) string {
	t.Helper()
	var out bytes.Buffer
	s := &stage.Stage{Name: "states", Out: &out, ConnectString: zk, Timeout: 3 * time.Second}
	require.Equal(t, stage.Held, s.Play(t.Context(), tell), out.String())
	t.Log("\n" + out.String())
	for _, part := range []string{
		"\n1.", "trusted for ",
		"\n2.", "it is the same session",
		"\n3.", "TrustedUntil had passed", "does not run in the next one", "it is another session",
		"SUSPENDED before LOST",
	} {
		require.Contains(t, out.String(), part)
	}
	return out.String()
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	require.Contains(t, play(t, ""), "\n4.")
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	play(t, realzk.Shared(t).ConnectString())
}
