package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// patience bounds a run of an oracle, compilation included.
const patience = 5 * time.Minute

// verdict is what became of a mutant.
type verdict string

const (
	killed     verdict = "killed"
	survived   verdict = "survived"
	uncompiled verdict = "does not compile"
)

// lab runs mutants of one tree.
type lab struct {
	root  string   // absolute
	dir   string   // for overlays
	flags []string // of go test
}

// try runs the oracle of a mutant with its bug. The text is the end of what it has printed.
func (l lab) try(ctx context.Context, m *mutant) (v verdict, text string, err error) {
	changed, _, err := m.mutate(l.root)
	if err != nil {
		return "", "", err
	}
	overlay, err := l.overlay(m, changed)
	if err != nil {
		return "", "", err
	}
	return l.test(ctx, m.oracle, "-overlay", overlay, "-count=1")
}

// overlay writes the changed file, and what tells the go command of it.
func (l lab) overlay(m *mutant, text string) (string, error) {
	file := filepath.Join(l.dir, m.name+".go")
	rules, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(l.root, m.file): file}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(l.dir, m.name+".json")
	return overlay, errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(overlay, rules, 0o600))
}

// test runs go test with further flags. A test that does not end is killed, too: by its own timeout.
func (l lab) test(ctx context.Context, command []string, flags ...string) (verdict, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	args := slices.Concat([]string{"test", "-vet=off", "-timeout=2m"}, l.flags, flags, command[2:])
	cmd := exec.CommandContext(ctx, command[0], args...)
	cmd.Dir = l.root
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	text := out.String()
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", text, fmt.Errorf("%s: %w", strings.Join(command, " "), ctx.Err())
	case err == nil && strings.Contains(text, "no tests to run"):
		return "", text, fmt.Errorf("%s: there is no such test", strings.Join(command, " "))
	case err == nil:
		return survived, text, nil
	case !errors.As(err, &failed):
		return "", text, err
	case strings.Contains(text, "build failed") || strings.Contains(text, "setup failed"):
		return uncompiled, text, nil
	}
	return killed, text, nil
}

// judge says what is wrong with a verdict, if anything is.
func (m *mutant) judge(v verdict) error {
	switch {
	case v == uncompiled:
		return fmt.Errorf("%s does not compile, so that nothing has found it", m.name)
	case v == survived && m.equivalent == "":
		return fmt.Errorf("%s survives: %s does not find that %s", m.name, strings.Join(m.oracle, " "), m.what)
	case v == killed && m.equivalent != "":
		return fmt.Errorf("%s is killed, and is said to be equivalent", m.name)
	}
	return nil
}
