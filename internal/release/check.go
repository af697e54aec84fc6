package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// repository is what is released.
type repository struct {
	root    string // absolute
	out     io.Writer
	modules []*module
}

// git runs git in the repository and returns what it writes.
func (r *repository) git(ctx context.Context, args ...string) (string, error) {
	return command(ctx, r.root, nil, "git", args...)
}

// command runs a command in dir, with variables in addition to those of this process.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text)
	}
	return string(text), err
}

// check reports everything that stands in the way of a release, in one error.
func (r *repository) check(ctx context.Context, version string) error {
	latest, err := r.latest(ctx)
	if err != nil {
		return err
	}
	found := []error{validVersion(version, latest)}
	changes, err := r.git(ctx, "status", "--porcelain")
	if err == nil && changes != "" {
		err = fmt.Errorf("the working tree has changes:\n%s", changes)
	}
	found = append(found, err, r.checkModules(version))
	log, err := os.ReadFile(filepath.Join(r.root, "CHANGELOG.md"))
	if err == nil {
		err = checkChangelog(string(log), version)
	}
	found = append(found, err, r.checkAPI(ctx, version, latest))
	if err := errors.Join(found...); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s is ready. Its tags:\n", version)
	for _, m := range r.modules {
		fmt.Fprintf(r.out, "  %s\n", m.tag(version))
	}
	return nil
}

// latest is the latest version that the root has a tag of, "" without one.
func (r *repository) latest(ctx context.Context) (string, error) {
	tags, err := r.git(ctx, "tag", "--list", "v*")
	latest := ""
	for _, tag := range strings.Fields(tags) {
		if semver.IsValid(tag) && (latest == "" || semver.Compare(tag, latest) > 0) {
			latest = tag
		}
	}
	return latest, err
}

func validVersion(version, latest string) error {
	switch {
	case !semver.IsValid(version) || semver.Canonical(version) != version:
		return fmt.Errorf("%q is not a version such as v0.2.0 or v1.0.0-rc.1", version)
	case semver.Major(version) != "v0" && semver.Major(version) != "v1":
		return fmt.Errorf("major version %s needs module paths that end with it", semver.Major(version))
	case latest != "" && semver.Compare(version, latest) <= 0:
		return fmt.Errorf("%s is not later than %s", version, latest)
	}
	return nil
}

// checkModules looks at the directives of all go.mod files.
func (r *repository) checkModules(version string) error {
	var found []error
	for _, m := range r.modules {
		for _, replace := range m.file.Replace {
			found = append(found, fmt.Errorf("%s replaces %s: go install and other modules would not see it", m.path, replace.Old.Path))
		}
		for path, v := range m.required(r.modules) {
			if v != version {
				found = append(found, fmt.Errorf("%s requires %s %s: run prepare, and commit", m.path, path, v))
			}
		}
	}
	return errors.Join(found...)
}

var heading = regexp.MustCompile(`(?m)^## (\S+)(?: \((\d{4}-\d{2}-\d{2})\))?$`)

// section is the section of a version in a changelog: its date, and what it says.
func section(log, version string) (date, text string, found bool) {
	all := heading.FindAllStringSubmatchIndex(log, -1)
	for i, at := range all {
		if log[at[2]:at[3]] != version {
			continue
		}
		end := len(log)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		if at[4] >= 0 {
			date = log[at[4]:at[5]]
		}
		return date, strings.TrimSpace(log[at[1]:end]), true
	}
	return "", "", false
}

func checkChangelog(log, version string) error {
	date, text, found := section(log, strings.TrimPrefix(version, "v"))
	switch {
	case !found:
		return fmt.Errorf("CHANGELOG.md has no section %q: run prepare, and commit", "## "+strings.TrimPrefix(version, "v"))
	case !strings.Contains(text, "- "):
		return errors.New("CHANGELOG.md says nothing about the version")
	}
	if _, err := time.Parse(time.DateOnly, date); err != nil {
		return fmt.Errorf("CHANGELOG.md has no date for the version: %w", err)
	}
	return nil
}

// tag creates the tags of a version that check has nothing against.
func (r *repository) tag(ctx context.Context, version string) error {
	if err := r.check(ctx, version); err != nil {
		return err
	}
	for _, m := range r.modules {
		if _, err := r.git(ctx, "tag", "-a", "-m", m.path+" "+version, m.tag(version)); err != nil {
			return err
		}
	}
	fmt.Fprintln(r.out, "They are created. To publish them: git push --follow-tags")
	return nil
}
