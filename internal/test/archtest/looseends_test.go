package archtest

import (
	"path"
	"regexp"
	"strings"
)

// reminder matches notes of unfinished work. It is put together here so that it
// does not match itself in an editor's search.
var reminder = regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|XXX)\b`)

// checkReminders finds notes of unfinished work in comments.
func checkReminders(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if note := reminder.FindString(c.Text); note != "" {
					all = append(all, t.find(c.Pos(), "a note of unfinished work (%s)", note))
				}
			}
		}
	}
	return all
}

// emptyNames say nothing about what they hold.
var emptyNames = map[string]bool{
	"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "misc": true,
}

// checkNames wants files and packages named after what they hold.
func checkNames(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		base := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		for _, name := range []string{base, path.Base(f.dir), f.ast.Name.Name} {
			if emptyNames[strings.TrimSuffix(name, "_test")] {
				all = append(all, finding{path: f.path, text: name + " is a name that says nothing"})
				break
			}
		}
	}
	return all
}

// checkLeakTest wants every package with tests to look for leaked goroutines
// when they are done.
func checkLeakTest(t *tree) []finding {
	var all []finding
	for _, files := range t.packages() {
		tested, guarded := false, false
		for _, f := range files {
			tested = tested || f.test
			guarded = guarded || f.nameOf("go.uber.org/goleak") != "" && f.declares("TestMain")
		}
		if tested && !guarded {
			all = append(all, finding{path: files[0].dir, text: "its tests have no TestMain that uses goleak"})
		}
	}
	return all
}

// declares reports whether f has a function, not a method, of that name.
func (f *file) declares(name string) bool {
	for _, fn := range f.functions() {
		if fn.Recv == nil && fn.Name.Name == name {
			return true
		}
	}
	return false
}

// checkParses passes on what could not be looked at.
func checkParses(t *tree) []finding { return t.broken }
