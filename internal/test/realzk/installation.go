package realzk

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// installation is a Java runtime and the jars of ZooKeeper.
type installation struct {
	java      string
	classpath string
}

// host knows where to look for an installation and what the environment says
// about a missing one. Its fields are what a test replaces.
type host struct {
	getenv func(string) string
	short  func() bool
	jars   string // directory of the distribution's packaged jars

	skipped atomic.Bool // a test was already told what is missing
}

// machine is the host that the tests run on.
var machine = &host{getenv: os.Getenv, short: shortMode, jars: "/usr/share/java"}

// Available reports whether real ZooKeeper can be started here, and if not, why.
// It looks for files only; it starts nothing.
func Available() (reason string, ok bool) {
	if _, err := machine.locate(); err != nil {
		return err.Error(), false
	}
	return "", true
}

// locate finds Java and ZooKeeper.
func (h *host) locate() (installation, error) {
	if h.short() {
		return installation{}, errors.New("go test -short starts no server")
	}
	java, err := h.java()
	if err != nil {
		return installation{}, err
	}
	classpath, err := h.classpath()
	if err != nil {
		return installation{}, err
	}
	return installation{java: java, classpath: classpath}, nil
}

func (h *host) java() (string, error) {
	if home := h.getenv("JAVA_HOME"); home != "" {
		if path, err := exec.LookPath(filepath.Join(home, "bin", "java")); err == nil {
			return path, nil
		}
	}
	for _, dir := range filepath.SplitList(h.getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(dir, "java")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no java, neither in JAVA_HOME nor in the PATH")
}

func (h *host) classpath() (string, error) {
	if home := h.getenv("ZOOKEEPER_HOME"); home != "" {
		lib := filepath.Join(home, "lib")
		if found, _ := filepath.Glob(filepath.Join(lib, "zookeeper*.jar")); len(found) == 0 {
			return "", fmt.Errorf("ZOOKEEPER_HOME is %s, but there is no %s", home, filepath.Join(lib, "zookeeper*.jar"))
		}
		return filepath.Join(lib, "*"), nil
	}
	var paths []string
	// zookeeper.jar names the other jars in its manifest; slf4j-simple is the one
	// log implementation that needs no configuration.
	for _, name := range []string{"zookeeper.jar", "slf4j-simple.jar"} {
		path := filepath.Join(h.jars, name)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("there is no %s and ZOOKEEPER_HOME is not set", path)
		}
		paths = append(paths, path)
	}
	// Options.Secure needs these, which the manifest leaves out.
	for _, name := range []string{"netty-codec.jar", "netty-handler.jar"} {
		path := filepath.Join(h.jars, name)
		if _, err := os.Stat(path); err == nil {
			paths = append(paths, path)
		}
	}
	return strings.Join(paths, string(filepath.ListSeparator)), nil
}

// require returns the installation. If there is none it ends the test: by a
// failure where ZooKeeper must be there, else by a skip that explains itself the
// first time and is short from then on.
func (h *host) require(tb TB) installation {
	tb.Helper()
	found, err := h.locate()
	switch {
	case err == nil:
	case h.required() && !h.short():
		tb.Fatalf("real ZooKeeper must be there (CI=true or DOCENT_REQUIRE_ZOOKEEPER=1), but %v; %s", err, remedy)
	case h.skipped.Swap(true):
		tb.Skipf("no real ZooKeeper")
	case h.short():
		tb.Skipf("no real ZooKeeper: %v; tests against it are not run in this package", err)
	default:
		tb.Skipf("no real ZooKeeper: %v; tests against it are not run in this package; %s", err, remedy)
	}
	return found
}

// remedy is what to do about a missing installation.
const remedy = "scripts/install-zookeeper installs it"

func (h *host) required() bool {
	return isSet(h.getenv("CI")) || isSet(h.getenv("DOCENT_REQUIRE_ZOOKEEPER"))
}

func isSet(value string) bool { return value == "true" || value == "1" }

// shortMode is testing.Short without importing testing.
func shortMode() bool {
	short := flag.Lookup("test.short")
	return short != nil && short.Value.String() == "true"
}
