package emitted

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is the directory of the module.
const root = "../../.."

// line is one line of the log, as the source has it.
type line struct {
	level string // "" if it depends
	keys  map[string]bool
}

// logged finds all lines of the log in the source: message by message.
func logged(t *testing.T) map[string]line {
	t.Helper()
	lines := make(map[string]line)
	for _, dir := range []string{"framework", "internal/wire", "internal/contend", "internal/telemetry", "cache", "node", "leader", "lock", "discovery", "counter", "barrier"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		require.NoError(t, err)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					note(t, lines, name, call)
				}
				return true
			})
		}
	}
	return lines
}

// note notes a call if it writes a line.
func note(t *testing.T, lines map[string]line, file string, call *ast.CallExpr) {
	t.Helper()
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"Info", "Warn", "Error", "Debug", "Log"}, sel.Sel.Name) || !isLogger(sel.X) {
		return
	}
	args, level := call.Args, strings.ToLower(sel.Sel.Name)
	if sel.Sel.Name == "Log" {
		args, level = args[2:], ""
	}
	message := literal(args[0])
	require.NotEmpty(t, message, "%s: the message of a log line is not a literal", file)
	l, ok := lines[message]
	if !ok {
		l = line{level, make(map[string]bool)}
	}
	for _, arg := range args[1:] {
		addKeys(l.keys, arg)
	}
	lines[message] = l
}

func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "log")
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "log")
	}
	return false
}

// literal is the text of a string, or the one that a concatenation begins with.
func literal(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(x.Value)
		return s
	case *ast.BinaryExpr:
		return literal(x.X)
	}
	return ""
}

// listed are the keys that methods return.
var listed = map[string][]string{"who": {"recipe", "path", "namespace"}, "attrs": {"node", "token"}}

func addKeys(keys map[string]bool, arg ast.Expr) {
	switch arg := arg.(type) {
	case *ast.BasicLit:
		if s := literal(arg); s != "" {
			keys[s] = true
		}
	case *ast.CompositeLit:
		for _, inner := range arg.Elts {
			addKeys(keys, inner)
		}
	case *ast.CallExpr:
		switch f := arg.Fun.(type) {
		case *ast.Ident:
			if f.Name == "append" {
				for _, inner := range arg.Args {
					addKeys(keys, inner)
				}
			}
		case *ast.SelectorExpr:
			for _, key := range listed[f.Sel.Name] {
				keys[key] = true
			}
		}
	}
}

// Every line of the log is documented with its level and its keys, nothing else is, and each key has a meaning.
func TestLogIsDocumented(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	meanings := make(map[string]bool)
	for _, row := range table(t, string(text), "key") {
		meanings[words(row[0])] = true
	}
	lines, documented, source := logged(t), make(map[string]string), make(map[string]string)
	for _, row := range table(t, string(text), "line") {
		message := code.FindStringSubmatch(row[0])[1]
		row = append(row, "", "")
		documented[message] = words(row[2])
		if level := lines[message].level; level != "" {
			assert.Equal(t, level, row[1], "the level of %q", message)
		}
	}
	used := make(map[string]bool)
	for message, l := range lines {
		var keys []string
		for key := range l.keys {
			used[key] = true
			keys = append(keys, key)
		}
		slices.Sort(keys)
		source[message] = strings.Join(keys, " ")
	}
	assert.Equal(t, documented, source, "lines: what is documented, and what is in the source")
	assert.Equal(t, meanings, used, "keys")
}
