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
	s := &stage.Stage{Name: "lock", Out: &out, ConnectString: zk, Timeout: 3 * time.Second}
	require.Equal(t, stage.Held, s.Play(t.Context(), tell), out.String())
	t.Log("\n" + out.String())
	for _, part := range []string{
		"\n1.", "before ben began", "the token has grown",
		"\n2.", "the database refuses her",
		"\n3.", "refused when the lock is not held", "ben's guarded write goes through", `/orders is "ben's next"`,
	} {
		require.Contains(t, out.String(), part)
	}
	// A process that is held up where its trust ends learns it with the end of the session.
	require.Regexp(t, "anna's context ends: (the servers have not replied|session is lost)", out.String())
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	play(t, "")
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	play(t, realzk.Shared(t).ConnectString())
}
