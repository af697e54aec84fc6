//go:build unix

package sessionfile

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOnlyTheUserCanReadTheFile(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o644, 0o666, 0o640} {
		path := pathIn(t)
		require.NoError(t, os.WriteFile(path, nil, mode))
		require.NoError(t, os.Chmod(path, mode))
		opened(t, path)
		assert.Equal(t, os.FileMode(0o600), modeOf(t, path))
	}
	path := pathIn(t)
	opened(t, path)
	assert.Equal(t, os.FileMode(0o600), modeOf(t, path), "a new one")
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode()
}

func TestFileOfAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := pathIn(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chown(path, 12345, -1))
	_, err := Open(path)
	require.ErrorContains(t, err, "secure "+path+": it belongs to the user with the id 12345")
}

func TestFilesThatAreNotFiles(t *testing.T) {
	dir := t.TempDir()
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	require.NoError(t, os.Symlink(left(t), link))
	_, err := Open(link)
	require.EqualError(t, err, "open "+link+": it is a symbolic link, which is not followed")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	_, err = Open(pipe)
	require.EqualError(t, err, "open "+pipe+": it is not a regular file")
}

// A copy of a file with a session has another inode number, and a file that was written over has the same.
func TestCopiesHoldNoSession(t *testing.T) {
	path := left(t)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	copied := pathIn(t)
	require.NoError(t, os.WriteFile(copied, content, 0o600))
	_, err = opened(t, copied).Read()
	assert.Equal(t, ErrElsewhere, err)
	moved := filepath.Join(filepath.Dir(path), "moved")
	require.NoError(t, os.Rename(path, moved))
	got, err := opened(t, moved).Read()
	require.NoError(t, err)
	assert.Equal(t, session, got, "still the file that it was written to")
}

// A file that is removed while a client has it leaves that client alone: the next one gets another file.
func TestRemovedFile(t *testing.T) {
	path := left(t)
	first := opened(t, path)
	require.NoError(t, os.Remove(path))
	_, err := opened(t, path).Read()
	assert.Equal(t, ErrEmpty, err)
	require.NoError(t, first.Write(session))
}

// The lock ends with the process and not before, stopped or not.
func TestLockOfAnotherProcess(t *testing.T) {
	path := pathIn(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer cmd.Wait() // it is killed
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "opened: <nil>\n", line)

	inUse(t, path)
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err = syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
	inUse(t, path)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	got, err := opened(t, path).Read()
	require.NoError(t, err)
	assert.Equal(t, session, got)
}

func inUse(t *testing.T, path string) {
	t.Helper()
	_, err := Open(path)
	require.ErrorIs(t, err, ErrInUse)
}

// Processes that a client's process has started do not keep its lock.
func TestLockIsNotInherited(t *testing.T) {
	path := pathIn(t)
	first := opened(t, path)
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, "x")
	require.NoError(t, err)
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err, "it runs")
	require.NoError(t, first.f.Close()) // without unlocking, as at the end of a process
	opened(t, path)
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
}
