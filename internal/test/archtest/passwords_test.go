package archtest

import (
	"go/ast"
	"go/token"
	"strings"
)

// marker is in every password of a test, so that one in the output of a test is found: see scripts/no-secrets. It is put together here so
// that this file does not have it.
var marker = "s3" + "cr3t"

// passwordArguments are functions with a password among their arguments, and its place. -1 is the last one.
var passwordArguments = map[string]int{"DigestMD5": 1, "DigestACL": 2, "AddAuth": -1}

// checkPasswords finds passwords in test files that do not have the marker. Those of users are fields named Credentials and SASLUsers.
func checkPasswords(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		if !f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			for _, text := range passwordsAt(n) {
				if text.Value != `""` && !strings.Contains(text.Value, marker) {
					all = append(all, t.find(text.Pos(), "a password of a test has no marker (%s)", marker))
				}
			}
			return true
		})
	}
	return all
}

// passwordsAt returns the literals at n that are passwords.
func passwordsAt(n ast.Node) []*ast.BasicLit {
	switch n := n.(type) {
	case *ast.CallExpr:
		i, ok := passwordArguments[calledName(n)]
		if !ok || i >= len(n.Args) || len(n.Args) == 0 {
			return nil
		}
		if i < 0 {
			i = len(n.Args) - 1
		}
		return literals(n.Args[i])
	case *ast.KeyValueExpr:
		key, ok := n.Key.(*ast.Ident)
		switch {
		case !ok:
		case key.Name == "Credentials":
			return literals(n.Value)
		case key.Name == "SASLUsers":
			return valuesOf(n.Value)
		}
	}
	return nil
}

func calledName(call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		return fun.Sel.Name
	}
	return ""
}

// literals returns the string that e is, or is converted from.
func literals(e ast.Expr) []*ast.BasicLit {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 {
		if _, conversion := call.Fun.(*ast.ArrayType); conversion {
			e = call.Args[0]
		}
	}
	if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING {
		return []*ast.BasicLit{text}
	}
	return nil
}

// valuesOf returns the strings that are values of a map.
func valuesOf(e ast.Expr) (all []*ast.BasicLit) {
	list, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, item := range list.Elts {
		if pair, ok := item.(*ast.KeyValueExpr); ok {
			all = append(all, literals(pair.Value)...)
		}
	}
	return all
}

var passwordsExamples = map[string]example{
	"in a test": {
		files: sources{"a/a_test.go": `package a
var _ = sasl.DigestMD5("me", "plain")
var _ = sasl.DigestMD5("me", "the right ` + marker + `")
var _ = DigestACL(1, "me", "plain")
var _ = cli.AddAuth(ctx, "digest", []byte("me:plain"))
var _ = cli.AddAuth(ctx, "digest", secret)
var _ = sasl.DigestMD5("me", os.Getenv("PASSWORD"))
var _ = Auth{Scheme: "digest", Credentials: []byte("me:plain")}
var _ = Auth{Scheme: "digest", Credentials: []byte("me:` + marker + `")}
var _ = Config{SASLUsers: map[string]string{"me": "plain", "you": "` + marker + `"}}
`},
		want: []string{"a/a_test.go:2: a password", "a/a_test.go:4: a password", "a/a_test.go:5: a password", "a/a_test.go:8: a password", "a/a_test.go:10: a password"},
	},
	"elsewhere": {files: sources{"a/a.go": "package a\nvar _ = DigestMD5(\"me\", \"plain\")"}},
}
