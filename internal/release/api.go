package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/semver"
)

// checkAPI compares the API of each module with that of the latest tag, with apidiff from golang.org/x/exp.
func (r *repository) checkAPI(ctx context.Context, version, latest string) error {
	if latest == "" {
		fmt.Fprintln(r.out, "There is no tag yet, so the API was not compared.")
		return nil
	}
	if _, err := exec.LookPath("apidiff"); err != nil {
		return fmt.Errorf("the API cannot be compared: %w (go install golang.org/x/exp/cmd/apidiff@latest)", err)
	}
	dir, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before := filepath.Join(dir, "before")
	if _, err := r.git(ctx, "worktree", "add", "--detach", before, latest); err != nil {
		return err
	}
	defer func() { _, _ = r.git(context.WithoutCancel(ctx), "worktree", "remove", "--force", before) }()
	var found []error
	for _, m := range r.modules {
		old := filepath.Join(before, filepath.FromSlash(m.sub))
		if _, err := os.Stat(filepath.Join(old, "go.mod")); err != nil {
			continue // it is new
		}
		broken, err := m.incompatible(ctx, old, filepath.Join(dir, "old.export"))
		if broken != "" {
			fmt.Fprintf(r.out, "Incompatible changes of %s since %s:\n%s\n", m.path, latest, broken)
			err = mayBreak(version, latest)
		}
		found = append(found, err)
	}
	return errors.Join(found...)
}

// incompatible lists incompatible changes since the version of the module in old.
func (m *module) incompatible(ctx context.Context, old, export string) (string, error) {
	if _, err := command(ctx, old, nil, "apidiff", "-m", "-w", export, m.path); err != nil {
		return "", err
	}
	text, err := command(ctx, m.dir, nil, "apidiff", "-m", "-incompatible", export, m.path)
	var report []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "Ignoring internal package") {
			report = append(report, line)
		}
	}
	return strings.TrimSpace(strings.Join(report, "")), err
}

// mayBreak reports whether a version may break programs that use the latest one.
func mayBreak(version, latest string) error {
	switch {
	case semver.Major(latest) != "v0":
		return errors.New("incompatible changes need a new major version")
	case semver.MajorMinor(version) == semver.MajorMinor(latest):
		return errors.New("incompatible changes need a new minor version")
	}
	return nil
}
