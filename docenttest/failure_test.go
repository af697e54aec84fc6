package docenttest_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// failing is a test that is expected to fail.
type failing struct {
	testing.TB
	failed   bool
	output   string
	cleanups []func()
}

func (f *failing) Helper()              {}
func (f *failing) Failed() bool         { return f.failed }
func (f *failing) Cleanup(clean func()) { f.cleanups = append(f.cleanups, clean) }
func (f *failing) Logf(format string, args ...any) {
	f.output += fmt.Sprintf(format+"\n", args...)
}

func (f *failing) Fatal(args ...any) {
	f.Fatalf("%s", fmt.Sprint(args...))
}

func (f *failing) Fatalf(format string, args ...any) {
	f.Logf(format, args...)
	f.failed = true
	runtime.Goexit()
}

// fail runs test and its cleanups, and returns what it has printed.
func fail(t *testing.T, test func(tb testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	for _, step := range []func(){
		func() { test(f) },
		func() {
			for i := len(f.cleanups) - 1; i >= 0; i-- {
				f.cleanups[i]()
			}
		},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			step()
		}()
		<-done
	}
	require.True(t, f.failed)
	return f.output
}

func TestStartOutsideABubbleSaysHowToUseIt(t *testing.T) {
	out := fail(t, func(tb testing.TB) { docenttest.Start(tb, zktest.Config{}) })
	assert.Equal(t, "docenttest: not in a bubble: use docenttest.Run, or call Start in a function that synctest.Test runs\n", out)
}

func TestFailuresSayWhatIsWrongAndShowTheServersTrace(t *testing.T) {
	for name, c := range map[string]struct {
		test func(srv *docenttest.Server)
		want string
	}{
		"condition": {func(srv *docenttest.Server) { srv.Eventually("the moon rises", func() bool { return false }) },
			"docenttest: waited for an hour of fake time: the moon rises\n"},
		"state": {func(srv *docenttest.Server) { srv.WaitState(srv.Connect("a"), framework.Lost, framework.Closed) },
			"docenttest: waited for an hour of fake time: the client becomes [Lost Closed]; it is Connected\n"},
		"lose the session of nobody": {func(srv *docenttest.Server) { srv.LoseSession("a") }, "docenttest: no client \"a\" is connected\n"},
		"blip of nobody":             {func(srv *docenttest.Server) { srv.Blip("a", nil) }, "docenttest: no client \"a\" is connected\n"},
		"disconnect nobody":          {func(srv *docenttest.Server) { srv.Disconnect("a") }, "docenttest: no client \"a\" is connected\n"},
		"configuration": {func(srv *docenttest.Server) {
			srv.Connect("a", func(cfg *framework.Config) { cfg.ConnectString = "" })
		}, "docenttest: cannot make client \"a\": "},
		"path": {func(srv *docenttest.Server) { srv.Put("services", "") }, "docenttest: cannot create services: "},
		"no server": {func(srv *docenttest.Server) {
			srv.Outage()
			srv.Connect("a")
		}, "docenttest: cannot connect client \"a\": "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := fail(t, func(tb testing.TB) { c.test(docenttest.Start(tb, zktest.Config{})) })
				assert.Contains(t, out, c.want)
				assert.Contains(t, out, "the server's last lines:\n")
			})
		})
	}
}

// A test whose goroutines all wait for each other ends after two days of fake time, and not never.
func TestATestThatIsStuckPanics(t *testing.T) {
	if os.Getenv("DOCENTTEST_STUCK") != "" {
		docenttest.Run(t, func(_ *testing.T, srv *docenttest.Server) {
			tick := time.NewTicker(time.Hour) // something else goes on, so that synctest sees no deadlock
			defer tick.Stop()
			for range tick.C {
				srv.Settle()
			}
		})
	}
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	stuck := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	stuck.Env = append(os.Environ(), "DOCENTTEST_STUCK=yes")
	out, err := stuck.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "docenttest: TestATestThatIsStuckPanics has lasted for two days of fake time")
	assert.Contains(t, string(out), "failure_test.go", "the stacks")
}
