package barrier_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/realzk"
)

// peer is a process that uses the barriers of another language. It does one thing at a time.
type peer struct {
	t       *testing.T
	name    string
	in      io.Writer
	answers *bufio.Scanner
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
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", name, complaints.String())
		}
	})
	return &peer{t: t, name: name, in: in, answers: bufio.NewScanner(out)}
}

// begin has the peer do something beside the test.
func (p *peer) begin(format string, args ...any) *call {
	p.t.Helper()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	require.NoError(p.t, err)
	return p.answer()
}

// answer waits for the peer beside the test.
func (p *peer) answer() *call {
	return start(p.t, func(*call) error {
		if !p.answers.Scan() || p.answers.Text() != "ok" {
			return fmt.Errorf("%s: %q, %v", p.name, p.answers.Text(), p.answers.Err())
		}
		return nil
	})
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
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", strings.Join(jars, ":"), "testdata/Members.java", connect)
}

// pythonPeer is a peer that uses kazoo.
func pythonPeer(t *testing.T, connect string) *peer {
	t.Helper()
	if err := exec.Command("/usr/bin/python3", "-c", "import kazoo").Run(); err != nil {
		t.Skipf("no kazoo: %v", err)
	}
	return newPeer(t, "/usr/bin/python3", "testdata/members.py", connect)
}

// together are the peers that are there, started beside each other, and a client.
func together(t *testing.T) (cli *framework.Client, java, python *peer) {
	t.Helper()
	connect := realzk.Shared(t).ConnectString()
	java, python = javaPeer(t, connect), pythonPeer(t, connect)
	for _, c := range []*call{java.answer(), python.answer()} {
		require.NoError(t, c.finish())
	}
	return realClient(t, connect), java, python
}

func TestInterop(t *testing.T) {
	cli, java, python := together(t)
	t.Run("barrier", func(t *testing.T) { oneBarrierOfAll(t, cli, java, python) })
	for qty, order := range map[int][]string{
		3: {"go", "java", "python"},
		4: {"python", "go", "go", "java"},
		5: {"java", "go", "python", "go", "go"},
	} {
		t.Run(fmt.Sprint("double/", qty), func(t *testing.T) { oneDoubleOfAll(t, cli, java, python, order) })
	}
}

// oneBarrierOfAll has each language set and remove what the others wait for.
func oneBarrierOfAll(t *testing.T, cli *framework.Client, java, python *peer) {
	const at = "/shared"
	b := barrier.New(cli, at)
	waiting := func() (calls []*call) {
		return []*call{java.begin("wait %s", at), python.begin("wait %s", at), wait(within(t), t, b)}
	}
	for name, turn := range map[string]struct{ set, remove func() *call }{
		"go": {
			func() *call { return start(t, func(*call) error { return b.Set(within(t)) }) },
			func() *call { return start(t, func(*call) error { return b.Remove(within(t)) }) },
		},
		"java":   {func() *call { return java.begin("set %s", at) }, nil},
		"python": {func() *call { return python.begin("set %s", at) }, nil},
	} {
		require.NoError(t, turn.set().finish(), name)
		calls := waiting()
		if turn.remove == nil {
			turn.remove = func() *call { return start(t, func(*call) error { return b.Remove(within(t)) }) }
		}
		require.NoError(t, turn.remove().finish(), name)
		for _, c := range calls {
			require.NoError(t, c.finish(), name)
		}
	}
	require.NoError(t, b.Set(within(t)))
	c := wait(within(t), t, b)
	require.NoError(t, java.begin("remove %s", at).finish())
	require.NoError(t, c.finish())
	require.NoError(t, b.Set(within(t)))
	c = wait(within(t), t, b)
	require.NoError(t, python.begin("remove %s", at).finish())
	require.NoError(t, c.finish())
}

// oneDoubleOfAll has members of all languages enter in that order, one after the other, and leave in the reverse one.
func oneDoubleOfAll(t *testing.T, cli *framework.Client, java, python *peer, order []string) {
	at := fmt.Sprint("/double", len(order))
	_, err := cli.Create(within(t), at, nil)
	require.NoError(t, err)
	var entering []*call
	for i, who := range order {
		entering = append(entering, enterAs(t, who, at, len(order), cli, java, python))
		if i == len(order)-1 {
			break
		}
		nodes(t, cli, at, i+1)
		for _, c := range entering {
			select {
			case <-c.done:
				require.FailNow(t, "somebody is in early", "%v", c.err)
			default:
			}
		}
	}
	for i, c := range entering {
		require.NoError(t, c.finish(), order[i])
	}
	var leaving []*call
	for i := len(order) - 1; i >= 0; i-- {
		switch order[i] {
		case "go":
			leaving = append(leaving, leave(within(t), t, entering[i].in))
		case "java":
			leaving = append(leaving, java.begin("leave"))
		case "python":
			leaving = append(leaving, python.begin("leave"))
		}
	}
	for _, c := range leaving {
		assert.NoError(t, c.finish())
	}
	nodes(t, cli, at, 0)
}

func enterAs(t *testing.T, who, at string, members int, cli *framework.Client, java, python *peer) *call {
	switch who {
	case "java":
		return java.begin("enter %s %d", at, members)
	case "python":
		return python.begin("enter %s %d", at, members)
	}
	return enter(within(t), t, barrier.NewDouble(cli, at, members))
}
