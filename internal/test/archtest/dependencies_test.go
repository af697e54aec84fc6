package archtest

import (
	"slices"
	"strings"
)

// A dependency belongs to the packages that may name it.
type dependency struct {
	module string
	users  []string // nil: nobody
	tests  []string // in addition, in their test files; nil: nobody
	not    string   // what is below it and belongs to nobody
}

// dependencies are all foreign modules. One that is not here is not allowed.
var dependencies = []dependency{
	{module: "github.com/go-zookeeper/zk", users: []string{"framework"}, tests: everybody},
	{module: "github.com/cenkalti/backoff/v4", users: []string{"retry"}},
	{module: "go.opentelemetry.io/otel", users: []string{"internal/telemetry", "framework", "internal/test/sim"}, not: "go.opentelemetry.io/otel/sdk"},
	{module: "github.com/stretchr/testify", tests: everybody},
	{module: "go.uber.org/goleak", tests: everybody},
	{module: "github.com/anishathalye/porcupine", tests: []string{"internal/test/sim"}},
	{module: "pgregory.net/rapid", tests: []string{"internal/test/sim"}},
}

var everybody = []string{"..."}

// checkDependencies holds the imports of foreign modules against the list.
func checkDependencies(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		for _, imp := range f.imports() {
			if _, own := t.inside(imp.path); own || standard(imp.path) || allowed(f, imp.path) {
				continue
			}
			all = append(all, t.find(imp.at, "%s may not import %s", f.dir, imp.path))
		}
	}
	return all
}

func allowed(f *file, importPath string) bool {
	for _, d := range dependencies {
		if importPath != d.module && !strings.HasPrefix(importPath, d.module+"/") {
			continue
		}
		if d.not != "" && strings.HasPrefix(importPath, d.not) {
			continue
		}
		if slices.Contains(d.users, f.dir) {
			return true
		}
		return f.test && (slices.Contains(d.tests, f.dir) || slices.Contains(d.tests, everybody[0]))
	}
	return false
}

// standard reports whether a package is the standard library's: only other
// paths begin with a domain.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// forTests are packages that have no place in a program.
var forTests = []string{
	"testing", "net/http/httptest", "go.uber.org/goleak", "github.com/stretchr/testify",
}

// checkProduction keeps what is for tests in test files. zktest is not an exception, because demonstrations run on it too. docenttest is one:
// its callers are tests.
func checkProduction(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, imp := range f.imports() {
			for _, p := range append(forTests, t.module+"/docenttest") {
				if f.dir == "docenttest" && p == "testing" {
					continue
				}
				if imp.path == p || strings.HasPrefix(imp.path, p+"/") {
					all = append(all, t.find(imp.at, "only test files may import %s", imp.path))
				}
			}
		}
	}
	return all
}

// goVersion is the oldest version of Go that the module builds with.
const goVersion = "1.25.0"

// checkGoVersion keeps a newer toolchain from raising the go directive, which
// every user of the module would have to follow.
func checkGoVersion(t *tree) []finding {
	if got := t.directive("go"); got != goVersion {
		return []finding{{path: "go.mod", text: "the go directive is " + got + ", not " + goVersion}}
	}
	return nil
}
