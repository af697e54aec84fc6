package counter_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/internal/realzk"
)

// peer is a process that uses the counters of another language. It does one thing at a time.
type peer struct {
	t       *testing.T
	in      io.Writer
	answers chan string
}

// newPeer starts a process that ends with the test. What it complains about is shown if the test fails.
func newPeer(t *testing.T, name string, arg ...string) *peer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, arg...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	require.NoError(t, cmd.Start())
	p := &peer{t: t, in: in, answers: make(chan string)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case p.answers <- lines.Text():
			case <-t.Context().Done():
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-read
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, complaints.String())
		}
	})
	return p
}

// begin has the peer add delta a number of times, beside the test.
func (p *peer) begin(kind, at string, delta, times int) {
	p.t.Helper()
	_, err := fmt.Fprintf(p.in, "%s %s %d %d\n", kind, at, delta, times)
	require.NoError(p.t, err)
}

// answer is what the peer says there is when it is through.
func (p *peer) answer() string {
	p.t.Helper()
	select {
	case line, open := <-p.answers:
		require.True(p.t, open, "it has ended")
		return line
	case <-time.After(30 * time.Second):
		require.FailNow(p.t, "no answer")
		return ""
	}
}

// javaPeer is a peer that uses Curator.
func javaPeer(t *testing.T, connect string) *peer {
	t.Helper()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "slf4j-simple"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
		if _, err := os.Stat(jars[len(jars)-1]); err != nil {
			t.Skipf("no Curator: %v", err)
		}
	}
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skipf("no Java compiler: %v", err)
	}
	return newPeer(t, "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx96m",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", strings.Join(jars, ":"), "testdata/Counts.java", connect)
}

// pythonPeer is a peer that uses kazoo.
func pythonPeer(t *testing.T, connect string) *peer {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import kazoo").Run(); err != nil {
		t.Skipf("no kazoo: %v", err)
	}
	return newPeer(t, "/usr/bin/python3", "testdata/counts.py", connect)
}

func TestInterop(t *testing.T) {
	connect := realzk.Shared(t).ConnectString()
	java, python := javaPeer(t, connect), pythonPeer(t, connect)
	for _, p := range []*peer{java, python} {
		require.Equal(t, "ready", p.answer())
	}
	cli := realClient(t, connect)
	add := func(i *counter.Int, delta int64, times int) int64 {
		var sum int64
		for range times {
			var err error
			sum, err = i.Add(within(t), delta)
			require.NoError(t, err)
		}
		return sum
	}

	// Each finds what another has created, and counts on.
	ours := counter.NewInt(cli, "/ours")
	assert.EqualValues(t, -3, add(ours, -3, 1))
	java.begin("shared", "/ours", 300, 1)
	assert.Equal(t, "297", java.answer())
	java.begin("int", "/ours", -1000, 1)
	assert.Equal(t, "-703", java.answer())
	python.begin("int", "/ours", 1, 2)
	assert.Equal(t, "-701", python.answer())
	assert.EqualValues(t, -700, add(ours, 1, 1))
	for at, first := range map[string]func() string{
		"/shared": func() string { java.begin("shared", "/shared", 3, 1); return java.answer() }, // from a seed of 7
		"/atomic": func() string { java.begin("int", "/atomic", 10, 1); return java.answer() },
		"/kazoo":  func() string { python.begin("int", "/kazoo", 10, 1); return python.answer() },
	} {
		assert.Equal(t, "10", first(), at)
		assert.EqualValues(t, 11, add(counter.NewInt(cli, at), 1, 1), at)
	}
	long := counter.NewInt(cli, "/long", counter.Long)
	require.NoError(t, long.Set(within(t), 1<<40))
	java.begin("long", "/long", -1, 1)
	assert.Equal(t, fmt.Sprint(1<<40-1), java.answer())
	assert.EqualValues(t, 1<<40, add(long, 1, 1))

	// All at once.
	const each = 40
	all := counter.NewInt(cli, "/all")
	require.NoError(t, all.Set(within(t), 0))
	java.begin("int", "/all", 1, each)
	python.begin("int", "/all", 1, each)
	add(all, 1, each)
	java.answer()
	python.answer()
	got, err := all.Get(within(t))
	require.NoError(t, err)
	assert.EqualValues(t, 3*each, got.Value)
}
