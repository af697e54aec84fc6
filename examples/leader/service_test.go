//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// patience is for what happens in moments, unless it does not happen at all.
const patience = 20 * time.Second

// process is a replica that runs as a process of its own.
type process struct {
	cmd   *exec.Cmd
	out   *os.File
	lines *bufio.Scanner
}

func startProcess(t *testing.T, zk, id string) *process {
	t.Helper()
	in, out, err := os.Pipe()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(os.Args[0], "serve", "-zk", zk, "-id", id), out: in, lines: bufio.NewScanner(in)}
	p.cmd.Env = append(os.Environ(), mainEnv+"=yes")
	p.cmd.Stdout, p.cmd.Stderr = out, out
	require.NoError(t, p.cmd.Start())
	require.NoError(t, out.Close())
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
		_ = in.Close()
	})
	return p
}

// find reads lines up to one that matches, and returns what is in the pattern's parentheses.
func (p *process) find(t *testing.T, pattern string) string {
	t.Helper()
	require.NoError(t, p.out.SetReadDeadline(time.Now().Add(patience)))
	wanted := regexp.MustCompile(pattern)
	for p.lines.Scan() {
		t.Log(p.lines.Text())
		if m := wanted.FindStringSubmatch(p.lines.Text()); m != nil {
			return m[1]
		}
	}
	require.FailNow(t, "not written", "%s: %v", pattern, p.lines.Err())
	return ""
}

// token is that of the next run of its scheduler.
func (p *process) token(t *testing.T) int64 {
	t.Helper()
	token, err := strconv.ParseInt(p.find(t, `schedules with token (\d+)`), 10, 64)
	require.NoError(t, err)
	return token
}

func (p *process) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// requireEnd waits until the process has ended in order.
func (p *process) requireEnd(t *testing.T) {
	t.Helper()
	require.NoError(t, p.out.SetReadDeadline(time.Now().Add(patience)))
	require.False(t, p.lines.Scan(), "it does nothing more: %s", p.lines.Text())
	require.NoError(t, p.lines.Err(), "it does not end")
	require.NoError(t, p.cmd.Wait())
}

// request is one whose handler waits for the rest of it.
type request struct {
	conn net.Conn
	in   *bufio.Reader
}

func begin(t *testing.T, address string) *request {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(4*patience)))
	r := &request{conn: conn, in: bufio.NewReader(conn)}
	_, err = fmt.Fprint(conn, "POST /echo HTTP/1.1\r\nHost: replica\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	for _, line := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} { // the handler reads
		got, err := r.in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, line, got)
	}
	return r
}

// finish completes the request and returns the answer.
func (r *request) finish(t *testing.T) string {
	t.Helper()
	_, err := fmt.Fprint(r.conn, "hello")
	require.NoError(t, err)
	answer, err := http.ReadResponse(r.in, nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(body)
}

// SIGTERM ends the leader in this order: its scheduler, its leadership, the requests under way, its session, the process.
func TestSIGTERM(t *testing.T) {
	server, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	defer server.Close()
	cli, err := framework.New(framework.Config{ConnectString: server.ConnectString(), Namespace: namespace})
	require.NoError(t, err)
	defer cli.Close()

	anna := startProcess(t, server.ConnectString(), "anna")
	address := anna.find(t, "anna serves http://(.*)/status")
	old := anna.token(t)
	ben := startProcess(t, server.ConnectString(), "ben")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, stage.Queued(ctx, cli, "/scheduler", 2))
	candidates, err := leader.New(cli, "/scheduler").Participants(ctx)
	require.NoError(t, err)
	require.Len(t, candidates, 2)
	require.Equal(t, "anna", candidates[0].ID)

	underway := begin(t, address)
	anna.terminate(t)
	require.Greater(t, ben.token(t), old)
	require.Contains(t, sessions(server), candidates[0].Session, "leadership moves before the session ends")
	anna.find(t, "(does not lead)")
	require.Equal(t, "anna: hello", underway.finish(t))
	anna.requireEnd(t)
	ben.terminate(t)
	ben.find(t, "(does not lead)")
	ben.requireEnd(t)
	require.Equal(t, []int64{cli.State().SessionID}, sessions(server), "their sessions were closed, and did not have to expire")
}

func sessions(server *zktest.Server) []int64 {
	var ids []int64
	for _, s := range server.Sessions() {
		ids = append(ids, s.ID)
	}
	return ids
}
