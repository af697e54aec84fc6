package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// hunk is one place that a patch changes.
type hunk struct {
	line     int      // of the old text, from 1
	old, new []string // with the context
	changed  int      // index in old of the first line that is not context
}

var hunkHead = regexp.MustCompile(`^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@`)

// parseDiff reads a unified diff of one file.
func parseDiff(text string) (file string, hunks []hunk, err error) {
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		head := hunkHead.FindStringSubmatch(line)
		switch {
		case head != nil:
			at, _ := strconv.Atoi(head[1])
			hunks = append(hunks, hunk{line: at, changed: -1})
		case strings.HasPrefix(line, "+++ "):
			if file != "" {
				return "", nil, errors.New("it changes several files")
			}
			file = strings.TrimPrefix(strings.TrimPrefix(line, "+++ "), "b/")
		case len(hunks) > 0:
			if err := hunks[len(hunks)-1].add(line); err != nil {
				return "", nil, err
			}
		}
	}
	if file == "" || len(hunks) == 0 {
		return "", nil, errors.New("there is no diff of a file in it")
	}
	return file, hunks, nil
}

// add takes a line of the hunk.
func (h *hunk) add(line string) error {
	kind, text := byte(' '), ""
	if line != "" {
		kind, text = line[0], line[1:]
	}
	if kind != ' ' && h.changed < 0 {
		h.changed = len(h.old)
	}
	switch kind {
	case ' ':
		h.old, h.new = append(h.old, text), append(h.new, text)
	case '-':
		h.old = append(h.old, text)
	case '+':
		h.new = append(h.new, text)
	case '\\': // no newline at the end of the file
	default:
		return fmt.Errorf("a line of a hunk begins with %q", kind)
	}
	return nil
}

// apply returns the changed text, and the number of the first line that is changed. A hunk may have moved, but not changed.
func apply(text string, hunks []hunk) (changed string, first int, err error) {
	lines := strings.Split(text, "\n")
	moved := 0
	for i, h := range hunks {
		at, err := h.find(lines, h.line-1+moved)
		if err != nil {
			return "", 0, err
		}
		if i == 0 {
			first = at + h.changed + 1
		}
		lines = slices.Replace(lines, at, at+len(h.old), h.new...)
		moved = at - (h.line - 1) + len(h.new) - len(h.old)
	}
	return strings.Join(lines, "\n"), first, nil
}

// find returns where the old lines are, as close to a line as can be.
func (h *hunk) find(lines []string, near int) (int, error) {
	best := -1
	for at := 0; at+len(h.old) <= len(lines); at++ {
		if slices.Equal(lines[at:at+len(h.old)], h.old) && (best < 0 || abs(at-near) < abs(best-near)) {
			best = at
		}
	}
	if best < 0 {
		return 0, fmt.Errorf("the lines around line %d are no longer there", h.line)
	}
	return best, nil
}

func abs(n int) int { return max(n, -n) }
