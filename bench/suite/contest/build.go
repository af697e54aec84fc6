package contest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Builder builds peers from their sources.
type Builder struct {
	Suite string // the directory of this module
	Out   string // where programs go
}

// Peers are all that can take part. Loaders, by the store that they write to, are processes of their own, so that their work
// is not that of the peer of the same name.
func (b Builder) Peers() (peers, loaders map[string]*Peer) {
	peers = map[string]*Peer{}
	for name, command := range map[string]func(context.Context) (*exec.Cmd, error){
		Docent: b.docent(Docent, ""), GoZK: b.program("gozk"), Curator: b.curator, Kazoo: b.kazoo, Etcd: b.program("etcd"),
	} {
		peers[name] = &Peer{Name: name, Command: command, Compiles: name == Curator}
	}
	return peers, map[string]*Peer{
		GoZK: {Name: "loader of ZooKeeper", Command: b.program("gozk")},
		Etcd: {Name: "loader of etcd", Command: b.program("etcd")},
	}
}

// Beside is docent of another checkout, under a name that begins with docent@.
func (b Builder) Beside(name, checkout string) *Peer {
	return &Peer{Name: name, Command: b.docent(name, checkout)}
}

// program builds one of the peers' programs, in its own directory: it may be a module of its own.
func (b Builder) program(name string) func(context.Context) (*exec.Cmd, error) {
	return func(ctx context.Context) (*exec.Cmd, error) {
		out := filepath.Join(b.Out, name)
		return exec.Command(out), b.goBuild(ctx, filepath.Join(b.Suite, "peers", name), "-o", out, ".")
	}
}

// docent builds the peer with the docent of another checkout, or of this one if that is empty.
func (b Builder) docent(name, checkout string) func(context.Context) (*exec.Cmd, error) {
	return func(ctx context.Context) (*exec.Cmd, error) {
		out := filepath.Join(b.Out, strings.ReplaceAll(name, "/", "-"))
		args := []string{"-o", out}
		if checkout != "" {
			mod, err := b.replacing(out, checkout)
			if err != nil {
				return nil, err
			}
			args = append(args, "-modfile", mod)
		}
		return exec.Command(out), b.goBuild(ctx, b.Suite, append(args, "./peers/docent")...)
	}
}

// replacing writes a go.mod in which docent is that of another checkout.
func (b Builder) replacing(out, checkout string) (mod string, err error) {
	checkout, err = filepath.Abs(checkout)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(checkout, "go.mod")); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(b.Suite, "go.mod"))
	if err != nil {
		return "", err
	}
	sums, err := os.ReadFile(filepath.Join(b.Suite, "go.sum"))
	if err != nil {
		return "", err
	}
	const here = "github.com/docent-zk/docent => ../.."
	changed := strings.Replace(string(text), here, "github.com/docent-zk/docent => "+checkout, 1)
	return out + ".mod", errors.Join(os.WriteFile(out+".mod", []byte(changed), 0o600), os.WriteFile(out+".sum", sums, 0o600))
}

func (b Builder) goBuild(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, text)
	}
	return nil
}

// jars returns the class path of Curator, as Debian installs it. Each jar names in its manifest those that it needs.
func jars(dir string) (string, error) {
	var all []string
	for _, name := range []string{"curator-recipes", "curator-framework", "curator-client", "curator-x-discovery", "zookeeper", "slf4j-simple"} {
		jar := filepath.Join(dir, name+".jar")
		if _, err := os.Stat(jar); err != nil {
			return "", fmt.Errorf("%s is not installed; make deps installs it", jar)
		}
		all = append(all, jar)
	}
	return strings.Join(all, string(filepath.ListSeparator)), nil
}

// java finds a program of the JDK.
func java(name string) (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		if path, err := exec.LookPath(filepath.Join(home, "bin", name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed; make deps installs it", name)
	}
	return path, nil
}

// curator compiles the peer in Java.
func (b Builder) curator(ctx context.Context) (*exec.Cmd, error) {
	run, errRun := java("java")
	compile, errCompile := java("javac")
	path, errJars := jars("/usr/share/java")
	if err := errors.Join(errRun, errCompile, errJars); err != nil {
		return nil, err
	}
	sources, err := filepath.Glob(filepath.Join(b.Suite, "peers", "curator", "*.java"))
	if err != nil {
		return nil, err
	}
	classes := filepath.Join(b.Out, "curator")
	cmd := exec.CommandContext(ctx, compile, append([]string{"-proc:none", "-cp", path, "-d", classes}, sources...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("javac: %w: %s", err, text)
	}
	return exec.Command(run, "-Xms768m", "-Xmx768m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		"-cp", classes+string(filepath.ListSeparator)+path, "Main"), nil
}

// python is the interpreter that Debian's packages are for, which need not be the first in the PATH.
const python = "/usr/bin/python3"

func (b Builder) kazoo(ctx context.Context) (*exec.Cmd, error) {
	if err := exec.CommandContext(ctx, python, "-c", "import kazoo").Run(); err != nil {
		return nil, fmt.Errorf("kazoo for %s is not installed; make deps installs it", python)
	}
	return exec.Command(python, "-B", filepath.Join(b.Suite, "peers", "kazoo", "main.py")), nil
}
