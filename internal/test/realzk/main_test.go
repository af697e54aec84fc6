package realzk

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// victimEnv makes this binary play the test binary that is killed; see
// TestServerDiesWithTheTestBinary.
const victimEnv = "DOCENT_REALZK_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		beVictim()
		return
	}
	goleak.VerifyTestMain(Main(m))
}

// within returns a context for waiting; far longer than anything should take.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// briefly returns a context for what is expected not to be answered.
func briefly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// fakeTB is a test that is being watched.
type fakeTB struct {
	failed   bool
	logs     []string
	skips    []string
	fatals   []string
	cleanups []func()
}

// watch runs f as the body of a test and then its clean-ups.
func watch(t *testing.T, f func(tb TB)) *fakeTB {
	t.Helper()
	tb := new(fakeTB)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(tb)
	}()
	<-done
	for _, cleanup := range tb.cleanups {
		cleanup()
	}
	return tb
}

func (tb *fakeTB) Helper()          {}
func (tb *fakeTB) Name() string     { return "fake" }
func (tb *fakeTB) Failed() bool     { return tb.failed }
func (tb *fakeTB) Cleanup(f func()) { tb.cleanups = append([]func(){f}, tb.cleanups...) }

func (tb *fakeTB) Logf(format string, args ...any) {
	tb.logs = append(tb.logs, fmt.Sprintf(format, args...))
}

func (tb *fakeTB) Skipf(format string, args ...any) {
	tb.skips = append(tb.skips, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (tb *fakeTB) Fatalf(format string, args ...any) {
	tb.failed = true
	tb.fatals = append(tb.fatals, fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Stat(path)
	if err != nil {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	return err == nil
}

func conf(t *testing.T, s *Server) map[string]string {
	t.Helper()
	answer, err := s.FourLetter(within(t), "conf")
	require.NoError(t, err)
	values := make(map[string]string)
	for line := range strings.Lines(answer) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = value
		}
	}
	return values
}
