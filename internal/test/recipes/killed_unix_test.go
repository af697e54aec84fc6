//go:build unix

package recipes_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

var kills = flag.Int("recipes.kills", 1, "how many processes of each kind give up and are killed; with more than one the next holder must come within 100 ms")

// A process gives up, and is killed as soon as the call has returned: nobody waits for its session to end.
func TestRealProcessKilledBehindACallThatGaveUp(t *testing.T) {
	for name, c := range trials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var longest time.Duration
			for range *kills {
				space := realzk.Shared(t)
				holding, next := realClient(t, space.ConnectString()), realClient(t, space.ConnectString())
				holder, err := c.occupy(t.Context(), holding)
				require.NoError(t, err)
				killed(t, space, name)
				at := time.Now()
				require.NoError(t, holder.release(t.Context()))
				gone(t, c, next, at)
				longest = max(longest, time.Since(at))
			}
			t.Logf("the next one held after %v at the most, in %d of %d", longest, *kills, *kills)
			if *kills > 1 {
				assert.Less(t, longest, 100*time.Millisecond)
			}
			assert.Less(t, longest, childTimeout/4)
		})
	}
}

// gone waits until somebody else holds, or, where nobody holds, until no node is left.
func gone(t *testing.T, c trial, cli *framework.Client, since time.Time) {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), since.Add(childTimeout*2))
	defer cancel()
	for _, dir := range c.dirs {
		for names := []string{""}; len(names) > 0; {
			require.NoError(t, cli.Sync(ctx, dir))
			var err error
			if names, _, err = cli.Children(ctx, dir); err != nil {
				require.ErrorIs(t, err, framework.ErrNoNode)
				break
			}
		}
	}
	held, err := c.occupy(ctx, cli)
	require.NoError(t, err)
	require.NoError(t, held.release(ctx))
}

// childTimeout is the session timeout of the process that is killed.
const childTimeout = time.Minute

// killed runs the process and returns when it is dead, which it is as soon as its call has returned.
func killed(t *testing.T, space *realzk.Space, name string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+space.ConnectString(), childEnv+"_KIND="+name)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", out)
}

func init() {
	runChild = beChild
	if os.Getenv(childEnv+"_FILE") != "" {
		runChild = func() {
			if err := beRestarted(); err != nil {
				fmt.Println("failed:", err)
				os.Exit(1)
			}
		}
	}
}

// beChild gives up and is killed by its own hand.
func beChild() {
	cli, err := framework.New(framework.Config{ConnectString: os.Getenv(childEnv), SessionTimeout: childTimeout})
	if err == nil {
		err = cli.WaitConnected(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	held, err := trials()[os.Getenv(childEnv+"_KIND")].acquire(ctx, cli)
	if err != nil {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	fmt.Println("it has acquired", held)
}
