package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
)

const unreleased = "## Unreleased\n"

// prepare writes a version into the go.mod files and the changelog. It commits nothing.
func (r *repository) prepare(ctx context.Context, version string) error {
	latest, err := r.latest(ctx)
	if err != nil {
		return err
	}
	if err := validVersion(version, latest); err != nil {
		return err
	}
	name := filepath.Join(r.root, "CHANGELOG.md")
	log, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := renameSection(string(log), version, time.Now())
	if err != nil {
		return err
	}
	for _, m := range r.modules {
		if err := m.setVersion(r.modules, version); err != nil {
			return err
		}
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "Look at the changes, commit them, and run: release tag %s\n", version)
	return nil
}

// renameSection gives what is unreleased a version and a date.
func renameSection(log, version string, now time.Time) (string, error) {
	version = strings.TrimPrefix(version, "v")
	if _, _, found := section(log, version); found {
		return log, nil
	}
	if _, text, found := section(log, "Unreleased"); !found || text == "" {
		return "", errors.New("CHANGELOG.md has nothing under Unreleased")
	}
	title := fmt.Sprintf("## %s (%s)\n", version, now.UTC().Format(time.DateOnly))
	return strings.Replace(log, unreleased, unreleased+"\n"+title, 1), nil
}

// setVersion makes a module require others of the repository in a version.
func (m *module) setVersion(all []*module, version string) error {
	name := filepath.Join(m.dir, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		return err
	}
	for path := range m.required(all) {
		if err := file.AddRequire(path, version); err != nil {
			return err
		}
	}
	if text, err = file.Format(); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}
