package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mutant is one planted bug.
type mutant struct {
	name       string // of the file, without its extension
	what       string
	operator   string
	oracle     []string // the command that must fail
	equivalent string   // why no test can find it; empty if one can
	chance     string   // why the oracle may miss it now and then; empty if it cannot

	file  string // that is changed, from the root
	hunks []hunk
}

// read reads all mutants of a directory, by name.
func read(dir string) ([]*mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []*mutant
	var errs []error
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parse(strings.TrimSuffix(filepath.Base(file), ".patch"), string(text))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file, err))
			continue
		}
		all = append(all, m)
	}
	return all, errors.Join(errs...)
}

// parse reads a patch file.
func parse(name, text string) (*mutant, error) {
	head, diff, ok := strings.Cut(text, "\n\n")
	if !ok {
		return nil, errors.New("there is no empty line behind its head")
	}
	m := &mutant{name: name}
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "what":
			m.what = value
		case "operator":
			m.operator = value
		case "oracle":
			m.oracle = words(value)
		case "equivalent":
			m.equivalent = value
		case "chance":
			m.chance = value
		default:
			return nil, fmt.Errorf("its head has a line %q", key)
		}
	}
	if m.what == "" || m.operator == "" {
		return nil, errors.New("it does not say what it breaks, or by which kind of change")
	}
	if len(m.oracle) < 3 || m.oracle[0] != "go" || m.oracle[1] != "test" {
		return nil, errors.New("its oracle is no go test")
	}
	var err error
	m.file, m.hunks, err = parseDiff(diff)
	return m, err
}

// words splits a command. What is in single quotes is one word.
func words(command string) (list []string) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			list = append(list, part)
			continue
		}
		list = append(list, strings.Fields(part)...)
	}
	return list
}

// mutate returns the changed text of the file, and the line of the change.
func (m *mutant) mutate(root string) (text string, line int, err error) {
	b, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return "", 0, err
	}
	text, line, err = apply(string(b), m.hunks)
	if err != nil {
		return "", 0, fmt.Errorf("%s does not apply to %s: %w", m.name, m.file, err)
	}
	return text, line, nil
}

// table is README.md: all mutants, with what finds them.
func table(all []*mutant) string {
	var b strings.Builder
	killed := len(all)
	for _, m := range all {
		if m.equivalent != "" {
			killed--
		}
	}
	fmt.Fprintf(&b, "# Mutants\n\nThere are %d planted bugs. Tests find %d of them, and %d change nothing observable. "+
		"`make mutants` runs them all; the package documentation describes how.\n\n", len(all), killed, len(all)-killed)
	b.WriteString("| mutant | file | what is broken | operator | found by |\n|---|---|---|---|---|\n")
	for _, m := range all {
		found := "`" + strings.Join(m.oracle[2:], " ") + "`"
		if m.equivalent != "" {
			found = "nothing: " + m.equivalent
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", m.name, m.file, m.what, m.operator, strings.ReplaceAll(found, "|", `\|`))
	}
	return b.String()
}
