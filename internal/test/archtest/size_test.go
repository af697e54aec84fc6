package archtest

import (
	"fmt"
	"go/ast"
	"slices"
)

// The sizes that a reader can take in.
const (
	maxFileLines      = 500
	maxFunctionLines  = 75
	p95FunctionLines  = 40
	halfFunctionLines = 10
)

// checkFileSize limits the length of every file, tests too.
func checkFileSize(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		if f.lines > maxFileLines {
			all = append(all, finding{path: f.path, text: fmt.Sprintf("%d lines; at most %d", f.lines, maxFileLines)})
		}
	}
	return all
}

// checkFunctionSize limits the length of every function outside tests (a test
// may carry a long table) and of the typical one.
func checkFunctionSize(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		for _, fn := range f.functions() {
			if n := t.length(fn); n > maxFunctionLines && !f.test {
				all = append(all, t.find(fn.Pos(), "%s has %d lines; at most %d", fn.Name.Name, n, maxFunctionLines))
			}
		}
	}
	s := t.functionSizes(func(f *file) bool { return !f.test })
	if s.median > halfFunctionLines {
		all = append(all, finding{path: ".", text: fmt.Sprintf("the median function has %d lines; at most %d", s.median, halfFunctionLines)})
	}
	if s.p95 > p95FunctionLines {
		all = append(all, finding{path: ".", text: fmt.Sprintf("95 %% of the functions have up to %d lines; at most %d", s.p95, p95FunctionLines)})
	}
	return all
}

// length counts a function's lines from func to the closing brace.
func (t *tree) length(fn *ast.FuncDecl) int {
	return t.fset.Position(fn.End()).Line - t.fset.Position(fn.Pos()).Line + 1
}

// sizes describes the lengths of a number of functions.
type sizes struct{ count, median, p95, max int }

func (s sizes) String() string {
	return fmt.Sprintf("%d functions, lines median %d, p95 %d, max %d", s.count, s.median, s.p95, s.max)
}

func (t *tree) functionSizes(of func(*file) bool) sizes {
	var lengths []int
	for _, f := range t.files {
		if !of(f) {
			continue
		}
		for _, fn := range f.functions() {
			lengths = append(lengths, t.length(fn))
		}
	}
	if len(lengths) == 0 {
		return sizes{}
	}
	slices.Sort(lengths)
	n := len(lengths)
	return sizes{count: n, median: lengths[(n-1)/2], p95: lengths[(n*95+99)/100-1], max: lengths[n-1]}
}
