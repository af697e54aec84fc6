package readme

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// limit bounds a run.
const limit = 2 * time.Minute

// errAbsent says that a module which a program needs was never downloaded here.
var errAbsent = errors.New("a module that it needs is not in the module cache, and tests download nothing")

// program is a block in a module of its own.
type program struct {
	block
	dir    string
	server *zktest.Server
}

var connectString = regexp.MustCompile(`ConnectString:(\s*)"[^"]*"`)

// newProgram writes a module that knows of nothing but this repository's.
func newProgram(t *testing.T, b block) *program {
	t.Helper()
	p := &program{block: b, dir: t.TempDir()}
	text := b.text
	if b.run != nil {
		server, err := zktest.Start(zktest.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		p.server = server
		text = connectString.ReplaceAllString(text, fmt.Sprintf("ConnectString:${1}%q", server.ConnectString()))
	}
	source := "main.go"
	if b.test() {
		source = "service_test.go"
	}
	mod, sum := modules(t)
	for name, content := range map[string]string{source: text, "go.mod": mod, "go.sum": sum} {
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600))
	}
	return p
}

var moduleLine = regexp.MustCompile(`(?m)^module (\S+)$`)

// modules makes a go.mod that replaces every module of this repository by its directory, and their go.sum in one.
func modules(t *testing.T) (mod, sum string) {
	t.Helper()
	mod = "module example.org/program\n\ngo 1.25.0\n"
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git"):
			return filepath.SkipDir
		case d.Name() != "go.mod":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Abs(filepath.Dir(path))
		if err != nil {
			return err
		}
		mod += fmt.Sprintf("\nreplace %s => %s\n", moduleLine.FindStringSubmatch(string(text))[1], dir)
		sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
		for line := range strings.Lines(string(sums)) {
			if !seen[line] {
				seen[line] = true
				sum += line
			}
		}
		return err
	})
	require.NoError(t, err)
	return mod, sum
}

// try compiles the program and runs it if that is wanted.
func (p *program) try(t *testing.T) {
	t.Helper()
	err := p.compile(t)
	if errors.Is(err, errAbsent) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	require.NoError(t, err)
	if p.block.run != nil {
		require.NoError(t, p.run(t))
	}
}

// buildFlags are those that this test was built with, as far as they matter to the build cache.
var buildFlags []string

// compile builds it from what is in the module cache, and runs it if it is a test.
func (p *program) compile(t *testing.T) error {
	t.Helper()
	command := []string{"build", "-ldflags=-s -w", "-o", p.binary()} // a third less to link
	if p.test() {
		command = []string{"test", "-vet=all", "-timeout", limit.String()} // all, as make test does, so that what it has cached is used
	}
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat(command, buildFlags, []string{"."})...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if strings.Contains(string(out), "GOPROXY=off") && !strings.Contains(string(out), "finding module for package github.com/docent-zk/") {
		err = errAbsent
	}
	return fmt.Errorf("go %s: %w\n%s", command[0], err, out)
}

func (p *program) binary() string { return filepath.Join(p.dir, "program.exe") }

// run runs it to its end, by itself or by a signal.
func (p *program) run(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	out := &output{text: p.block.run.text, seen: make(chan struct{})}
	cmd := exec.CommandContext(ctx, p.binary(), p.server.ConnectString())
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	if p.block.run.until {
		select {
		case <-out.seen:
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				return err
			}
		case <-ctx.Done():
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("it ended with %w; its output:\n%s", err, out)
	}
	if !strings.Contains(out.String(), p.block.run.text) {
		return fmt.Errorf("%q is not in its output:\n%s", p.block.run.text, out)
	}
	return nil
}

// output is what a program writes.
type output struct {
	text string
	seen chan struct{} // closed when text has come by

	mu   sync.Mutex
	done bool
	all  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all.Write(b)
	if !o.done && strings.Contains(o.all.String(), o.text) {
		o.done = true
		close(o.seen)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}
