package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// mainEnv makes this test binary the example.
const mainEnv = "DOCENT_LEADER_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(realzk.Main(m))
}

func play(t *testing.T, zk string) {
	t.Helper()
	var out bytes.Buffer
	s := &stage.Stage{Name: "leader", Out: &out, ConnectString: zk, Timeout: 3 * time.Second}
	require.Equal(t, stage.Held, s.Play(t.Context(), tell), out.String())
	t.Log("\n" + out.String())
	for _, part := range []string{
		"\n1.", "exactly one runs the scheduler",
		"\n2.", "leadership has moved on, and the token has grown",
		"\n3.", "without waiting for a session to end",
		"no former leader ran behind a later one",
	} {
		require.Contains(t, out.String(), part)
	}
	// A process that is held up where its trust ends learns it with the end of the session.
	require.Regexp(t, "because: (the servers have not replied|session is lost)", out.String())
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	play(t, "")
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	play(t, realzk.Shared(t).ConnectString())
}
