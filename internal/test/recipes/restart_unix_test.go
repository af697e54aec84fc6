//go:build unix

package recipes_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

var restarts = flag.Int("recipes.restarts", 2, "how often a process is killed and started again")

// restartTimeout is the session timeout of processes that are started again: no session expires while a test runs.
const restartTimeout = time.Hour

// The directories of what such a process holds. Whatever is below them is ephemeral.
const (
	restartLock     = "/restart/lock"
	restartElection = "/restart/election"
	restartServices = "/restart/services"
	restartName     = "orders"
)

var restartDirs = []string{restartLock, restartElection, restartServices + "/" + restartName}

// A process that holds a lock, leads and is registered is killed in the middle of its work and started again. It holds, leads and is
// registered again, and nothing of the session before is left, long before that would expire.
func TestRealRestart(t *testing.T) {
	t.Parallel()
	w := newRestartWorld(t)
	cli := realClient(t, w.connect)
	stop := load(t, cli)
	defer stop()
	first := w.start(t)
	session, _ := first.holds(t)
	var all, own time.Duration
	for range *restarts {
		began := time.Now()
		first.kill(t)
		first = w.start(t)
		former := session
		var locked time.Duration
		session, locked = first.holds(t)
		all, own = all+time.Since(began), own+locked
		require.NotEqual(t, former, session)
		for _, dir := range restartDirs {
			assert.Equal(t, []int64{session}, owners(t, cli, dir), "%s, %#x was before", dir, former)
		}
	}
	n := time.Duration(*restarts)
	t.Logf("%d kills: everything is held again after %v, the lock %v after New, on the average; T is %v", n, all/n, own/n, restartTimeout)
}

// A process that waits for what a killed process holds gets it when that one is started again.
func TestRealRestartLetsOthersIn(t *testing.T) {
	t.Parallel()
	w := newRestartWorld(t)
	cli := realClient(t, w.connect)
	first := w.start(t)
	session, _ := first.holds(t)
	waiting := make(chan error, 1)
	second := realClient(t, w.connect)
	go func() {
		held, err := lock.New(second, restartLock).Lock(w.ctx)
		if err == nil {
			err = held.Unlock(w.ctx)
		}
		waiting <- err
	}()
	for len(owners(t, cli, restartLock)) < 2 { // until it is in the queue
		require.NoError(t, w.ctx.Err())
	}
	first.kill(t)
	first = w.start(t)
	require.NoError(t, <-waiting)
	next, _ := first.holds(t)
	assert.NotEqual(t, session, next)
}

// Nobody takes the session of a process that lives, even if it is stopped: the second process gets an error.
func TestRealSecondProcess(t *testing.T) {
	t.Parallel()
	w := newRestartWorld(t)
	first := w.start(t)
	session, _ := first.holds(t)
	w.start(t).isRefused(t)
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGSTOP))
	w.start(t).isRefused(t)
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGCONT))
	first.say(t, "check")
	assert.Equal(t, "checked: <nil> <nil>", first.line(t))
	assert.Equal(t, []int64{session}, owners(t, realClient(t, w.connect), restartLock))

	first.say(t, "end") // which closes the client
	assert.Equal(t, "closed: <nil>", first.line(t))
	next := w.start(t)
	next.holds(t)
	next.say(t, "end")
	assert.Equal(t, "closed: <nil>", next.line(t))
}

// restartWorld is a server and a file.
type restartWorld struct {
	ctx           context.Context
	connect, file string
}

func newRestartWorld(t *testing.T) *restartWorld {
	t.Helper()
	srv := realzk.Standalone(t, realzk.Options{MaxSessionTimeout: restartTimeout})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return &restartWorld{ctx, srv.Addr(), filepath.Join(t.TempDir(), "session")}
}

// load makes the servers work until it is stopped.
func load(t *testing.T, cli *framework.Client) (stop func()) {
	t.Helper()
	var over atomic.Bool
	done := make(chan error, 4)
	for i := range cap(done) {
		go func() { done <- keepWriting(cli, fmt.Sprint("/load-", i), over.Load) }()
	}
	return func() {
		over.Store(true)
		for range cap(done) {
			assert.NoError(t, <-done)
		}
	}
}

// keepWriting writes to a node until that is over.
func keepWriting(cli *framework.Client, node string, over func() bool) error {
	_, err := cli.Create(context.Background(), node, nil)
	if err != nil && !errors.Is(err, framework.ErrNodeExists) {
		return err
	}
	for !over() {
		if _, err := cli.Set(context.Background(), node, make([]byte, 1000), framework.AnyVersion, framework.Idempotent); err != nil {
			return err
		}
	}
	return nil
}

// owners are the sessions that have the nodes in a directory.
func owners(t *testing.T, cli *framework.Client, dir string) (sessions []int64) {
	t.Helper()
	require.NoError(t, cli.Sync(t.Context(), dir))
	names, _, err := cli.Children(t.Context(), dir)
	require.NoError(t, err)
	for _, name := range names {
		node, err := cli.Get(t.Context(), framework.Join(dir, name))
		require.NoError(t, err)
		sessions = append(sessions, node.Stat.EphemeralOwner)
	}
	return sessions
}

// restarted is a process, as the test sees it.
type restarted struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func (w *restartWorld) start(t *testing.T) *restarted {
	t.Helper()
	cmd := exec.CommandContext(w.ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+w.connect, childEnv+"_FILE="+w.file)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // even if it is stopped
		_ = cmd.Wait()
	})
	return &restarted{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

func (r *restarted) line(t *testing.T) string {
	t.Helper()
	line, err := r.out.ReadString('\n')
	require.NoError(t, err, "the process said %q", line)
	return strings.TrimSpace(line)
}

func (r *restarted) say(t *testing.T, word string) {
	t.Helper()
	_, err := fmt.Fprintln(r.in, word)
	require.NoError(t, err)
}

// holds waits until the process holds everything. It returns its session, and how long it took to get the lock.
func (r *restarted) holds(t *testing.T) (session int64, locked time.Duration) {
	t.Helper()
	line := r.line(t)
	_, err := fmt.Sscanf(line, "holds in %d, locked after %d", &session, &locked)
	require.NoError(t, err, "the process said %q", line)
	return session, locked
}

func (r *restarted) isRefused(t *testing.T) {
	t.Helper()
	assert.Equal(t, "in use: true", r.line(t))
	assert.NoError(t, r.cmd.Wait())
}

func (r *restarted) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, r.cmd.Process.Kill())
	_ = r.cmd.Wait()
}

// beRestarted is the process.
func beRestarted() error {
	began := time.Now()
	cli, err := framework.New(framework.Config{
		ConnectString: os.Getenv(childEnv), SessionTimeout: restartTimeout, SessionFile: os.Getenv(childEnv + "_FILE"),
	})
	if errors.Is(err, framework.ErrSessionFileInUse) {
		fmt.Println("in use:", strings.Contains(err.Error(), os.Getenv(childEnv+"_FILE")))
		return nil
	}
	if err != nil {
		return err
	}
	ctx := context.Background()
	held, err := lock.New(cli, restartLock).Lock(ctx)
	if err != nil {
		return err
	}
	locked := time.Since(began)
	term, err := leader.New(cli, restartElection).Campaign(ctx)
	if err != nil {
		return err
	}
	instance := discovery.Instance[string]{Name: restartName, ID: "one", Address: "10.0.0.7", Port: 8080}
	if _, err = discovery.New[string](cli, restartServices).Register(ctx, instance); err != nil {
		return err
	}
	go func() { _ = keepWriting(cli, "/work", func() bool { return false }) }() // it is killed in the middle of that
	fmt.Printf("holds in %d, locked after %d\n", cli.State().SessionID, locked)
	words := bufio.NewScanner(os.Stdin)
	for words.Scan() && words.Text() == "check" {
		_, locked := held.Multi(ctx, nil)
		_, leads := term.Multi(ctx, nil)
		fmt.Println("checked:", locked, leads)
	}
	fmt.Println("closed:", cli.Close())
	return nil
}
