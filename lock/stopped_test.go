//go:build unix

package lock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/lock"
)

// A process that holds a lock is stopped until its session has ended. When it goes on, nothing in it has noticed, and it
// does what it was about to do: the servers refuse it.
func TestRealStoppedProcess(t *testing.T) {
	space := realzk.Shared(t)
	cli := realClient(t, space.ConnectString())
	_, err := cli.Create(within(t), account, []byte("0"))
	require.NoError(t, err)
	child := startChild(t, space.ConnectString())
	var token int64
	child.hear(t, "holds %d", &token)

	waiting := realQueue(t, lock.New(cli, path), 2)
	require.NoError(t, child.cmd.Process.Signal(syscall.SIGSTOP))
	next := <-waiting
	require.NoError(t, next.err)
	_, err = next.held.Set(within(t), account, []byte("parent"), framework.AnyVersion)
	require.NoError(t, err)
	child.say(t, "go on") // read when it wakes up
	require.NoError(t, child.cmd.Process.Signal(syscall.SIGCONT))

	assert.Equal(t, "held: not held", child.line(t))
	assert.Equal(t, "servers: check refused", child.line(t))
	assert.Equal(t, "context: over", child.line(t))
	assert.Less(t, token, next.held.Token())
	node, err := cli.Get(within(t), account)
	require.NoError(t, err)
	assert.Equal(t, "parent", string(node.Data))
	require.NoError(t, next.held.Unlock(within(t)))
}

func init() { runChild = beChild }

// beChild locks, says so, and after a word from the parent writes what the lock protects.
func beChild() {
	play := child
	if os.Getenv(roleEnv) == "looks" {
		play = lookOn
	}
	if err := play(os.Getenv(childEnv)); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func child(connect string) error {
	cli, err := framework.New(framework.Config{ConnectString: connect, SessionTimeout: realTimeout})
	if err != nil {
		return err
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	held, err := lock.New(cli, path, lock.Hold(0)).Lock(ctx)
	if err != nil {
		return err
	}
	check := held.Check() // one that is made later is refused anyway
	fmt.Println("holds", held.Token())
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}

	write := framework.SetOp(account, []byte("child"), framework.AnyVersion)
	_, err = held.Multi(ctx, []framework.Op{write})
	fmt.Println("held:", map[bool]string{true: "not held", false: fmt.Sprint(err)}[errors.Is(err, lock.ErrNotHeld)])
	// Past what the client knows. The first try may die with the old connection, and nobody can say how far it came.
	_, err = cli.Multi(ctx, []framework.Op{check, write}, framework.Idempotent)
	var refused *framework.MultiError
	fmt.Println("servers:", map[bool]string{true: "check refused", false: fmt.Sprint(err)}[errors.As(err, &refused) && refused.Index == 0])
	<-held.Context().Done()
	fmt.Println("context: over")
	return nil
}

// childProcess is the child as the parent sees it.
type childProcess struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func startChild(t *testing.T, connect string, env ...string) *childProcess {
	t.Helper()
	cmd := exec.CommandContext(within(t), os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"="+connect), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // also if it is stopped
		_ = cmd.Wait()
	})
	return &childProcess{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

func (c *childProcess) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	require.NoError(t, err, "the child said %q", line)
	return strings.TrimSpace(line)
}

func (c *childProcess) hear(t *testing.T, format string, args ...any) {
	t.Helper()
	line := c.line(t)
	_, err := fmt.Sscanf(line, format, args...)
	require.NoError(t, err, "the child said %q", line)
}

func (c *childProcess) say(t *testing.T, line string) {
	t.Helper()
	_, err := fmt.Fprintln(c.in, line)
	require.NoError(t, err)
}
