package interop

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// language is where the peers of one language come from: one process, started for the first test that needs it.
type language struct {
	name    string
	command func() (*exec.Cmd, error) // what runs it; errMissing if it is not installed here
	once    sync.Once
	peer    *peer
	err     error
}

// The languages.
var (
	curator = &language{name: "Curator", command: javaCommand}
	kazoo   = &language{name: "kazoo", command: pythonCommand}
)

// errMissing says that something is not installed.
var errMissing = errors.New("is not installed here")

// running returns the language's process. Where it is not installed the test is skipped, or fails if it must be there.
func (l *language) running(t testing.TB) *peer {
	t.Helper()
	if testing.Short() {
		t.Skipf("go test -short starts no %s", l.name)
	}
	l.once.Do(l.start)
	if !errors.Is(l.err, errMissing) {
		require.NoError(t, l.err, "starting %s", l.name)
		return l.peer
	}
	if required() {
		t.Fatalf("%s must be there (CI=true or DOCENT_REQUIRE_ZOOKEEPER=1), but %v; scripts/install-zookeeper --interop installs it", l.name, l.err)
	}
	t.Skipf("no %s: %v; scripts/install-zookeeper --interop installs it", l.name, l.err)
	return nil
}

func (l *language) start() {
	cmd, err := l.command()
	if err != nil {
		l.err = err
		return
	}
	l.peer, l.err = startPeer(l.name, cmd)
}

// end ends the process, if there is one.
func (l *language) end() {
	if l.peer != nil {
		l.peer.end()
	}
	if l == curator && classes != "" {
		_ = os.RemoveAll(classes)
	}
}

// required reports whether the environment says that peers must be there.
func required() bool {
	return os.Getenv("CI") == "true" || os.Getenv("CI") == "1" || os.Getenv("DOCENT_REQUIRE_ZOOKEEPER") == "true" ||
		os.Getenv("DOCENT_REQUIRE_ZOOKEEPER") == "1"
}

// javaFlags make a small Java process that starts quickly. Tests need no compiler that takes its time, and benchmarks do not
// do without it.
func javaFlags() []string {
	flags := []string{"-XX:+UseSerialGC", "-Xshare:auto", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"}
	if bench := flag.Lookup("test.bench"); bench != nil && bench.Value.String() != "" {
		return append(flags, "-Xmx768m")
	}
	return append(flags, "-Xmx192m", "-XX:TieredStopAtLevel=1")
}

// classes is the directory of the compiled peer.
var classes string

// jars returns the class path of Curator. Each jar names those that it needs in its manifest. Discovery is not needed by
// those who do not use it.
func jars() (string, error) {
	var all []string
	for _, name := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "slf4j-simple", "curator-x-discovery"} {
		jar := filepath.Join("/usr/share/java", name+".jar")
		if _, err := os.Stat(jar); err != nil {
			return "", fmt.Errorf("%s %w", jar, errMissing)
		}
		all = append(all, jar)
	}
	return strings.Join(all, ":"), nil
}

// javaTool finds a program of the JDK.
func javaTool(name string) (string, error) {
	if path, err := exec.LookPath(filepath.Join(os.Getenv("JAVA_HOME"), "bin", name)); os.Getenv("JAVA_HOME") != "" && err == nil {
		return path, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s %w", name, errMissing)
	}
	return path, nil
}

// javaCommand compiles the peer and returns what runs it with all families that there are.
func javaCommand() (*exec.Cmd, error) {
	java, errJava := javaTool("java")
	javac, errJavac := javaTool("javac")
	path, errJars := jars()
	if err := errors.Join(errJava, errJavac, errJars); err != nil {
		return nil, err
	}
	sources, err := filepath.Glob("testdata/java/*.java")
	if err != nil {
		return nil, err
	}
	if classes, err = os.MkdirTemp("", "docent-interop-"); err != nil {
		return nil, err
	}
	compile := exec.Command(javac, append([]string{"-J-XX:TieredStopAtLevel=1", "-proc:none", "-cp", path, "-sourcepath", "testdata/java", "-d", classes}, sources...)...)
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w\n%s", err, out)
	}
	args := append(javaFlags(), "-cp", classes+":"+path, "Peer")
	return exec.Command(java, append(args, families(sources, "Peer")...)...), nil
}

// python is the interpreter that Debian's packages are for, which need not be the first in the PATH.
const python = "/usr/bin/python3"

// pythonCommand returns what runs the peer with all families that there are.
func pythonCommand() (*exec.Cmd, error) {
	if err := exec.Command(python, "-c", "import kazoo").Run(); err != nil {
		return nil, fmt.Errorf("kazoo for %s %w", python, errMissing)
	}
	sources, err := filepath.Glob("testdata/kazoo/*.py")
	if err != nil {
		return nil, err
	}
	return exec.Command(python, append([]string{"-B", "testdata/kazoo/peer.py"}, families(sources, "peer")...)...), nil
}

// families are the names of the sources besides the main one.
func families(sources []string, main string) []string {
	var names []string
	for _, source := range sources {
		if name := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)); name != main {
			names = append(names, name)
		}
	}
	return names
}
