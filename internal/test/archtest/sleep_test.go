package archtest

import (
	"go/ast"
	"strings"
)

// checkSleep finds tests that wait for real time to pass: slow on a good day,
// wrong on a bad one. See the package comment for where sleeping is allowed.
func checkSleep(t *tree) []finding {
	var all []finding
	for _, files := range t.packages() {
		bubbles := bubbleFunctions(files)
		for _, f := range files {
			if f.test {
				s := sleeps{tree: t, file: f, bubbles: bubbles}
				s.search()
				all = append(all, s.found...)
			}
		}
	}
	return all
}

// bubbleFunctions returns the names of the functions and methods that say, in
// their name or comment, that they run in a bubble or run others in one.
func bubbleFunctions(files []*file) map[string]bool {
	names := map[string]bool{}
	for _, f := range files {
		for _, fn := range f.functions() {
			if strings.Contains(strings.ToLower(fn.Name.Name+" "+fn.Doc.Text()), "bubble") {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// sleeps looks for calls of time.Sleep in one file.
type sleeps struct {
	tree    *tree
	file    *file
	bubbles map[string]bool
	found   []finding
}

func (s *sleeps) search() {
	for _, decl := range s.file.ast.Decls {
		if !s.promised(decl) {
			s.walk(decl)
		}
	}
}

// promised reports whether a declaration says that it belongs into a bubble.
func (s *sleeps) promised(decl ast.Decl) bool {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		return s.bubbles[decl.Name.Name]
	case *ast.GenDecl:
		return strings.Contains(decl.Doc.Text(), "bubble")
	}
	return false
}

// walk reports sleeps below n, but not inside literals that go into a bubble.
func (s *sleeps) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if s.names(n, "time", "Sleep") {
			s.found = append(s.found, s.tree.find(n.Pos(), "sleeps in real time; run it in a synctest bubble"))
		}
		call, ok := n.(*ast.CallExpr)
		if !ok || !s.entersBubble(call) {
			return true
		}
		s.walk(call.Fun)
		for _, arg := range call.Args {
			if _, literal := arg.(*ast.FuncLit); !literal {
				s.walk(arg)
			}
		}
		return false
	})
}

// entersBubble reports whether call runs its literals on fake time.
func (s *sleeps) entersBubble(call *ast.CallExpr) bool {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return s.bubbles[fun.Name]
	case *ast.SelectorExpr:
		return s.bubbles[fun.Sel.Name] || s.names(fun, "testing/synctest", "Test") || s.names(fun, s.tree.module+"/docenttest", "Run")
	}
	return false
}

// names reports whether n names a function of an imported package, to call it
// or to hand it on.
func (s *sleeps) names(n ast.Node, importPath, function string) bool {
	selector, ok := n.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != function {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == s.file.nameOf(importPath)
}
