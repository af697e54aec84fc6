package archtest

import (
	"go/ast"
	"path"
)

// checkPublicAPI wants no type of an internal package in what users can import: they could not name it. An alias gives such a
// type a name, and is allowed. The check looks at types that are written out, not at those that a variable takes from its value.
func checkPublicAPI(t *tree) []finding {
	var all []finding
	borrowed := t.borrowed()
	for _, f := range t.files {
		if f.test || internal(f.dir) || f.ast.Name.Name == "main" {
			continue
		}
		s := signatures{tree: t, hidden: t.internalImports(f), borrowed: borrowed}
		for _, decl := range f.ast.Decls {
			s.declaration(decl)
		}
		all = append(all, s.found...)
	}
	return all
}

// internalImports maps the names by which f refers to internal packages of the module to their directories.
func (t *tree) internalImports(f *file) map[string]string {
	hidden := map[string]string{}
	for _, imp := range f.imports() {
		if dir, own := t.inside(imp.path); own && internal(dir) {
			hidden[f.nameOf(imp.path)] = dir
		}
	}
	return hidden
}

// borrowed returns the types of internal packages that are aliases of types elsewhere, as "internal/wire.Line". Users can name those.
func (t *tree) borrowed() map[string]bool {
	all := map[string]bool{}
	for _, f := range t.files {
		if !internal(f.dir) {
			continue
		}
		hidden := t.internalImports(f)
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if alias, _ := n.(*ast.TypeSpec); alias != nil && alias.Assign.IsValid() {
				pkg, _, ok := qualified(alias.Type)
				all[f.dir+"."+alias.Name.Name] = ok && hidden[pkg] == ""
			}
			return true
		})
	}
	return all
}

// qualified takes the name of a type of another package apart.
func qualified(n ast.Node) (pkg, name string, ok bool) {
	if s, _ := n.(*ast.SelectorExpr); s != nil {
		if x, _ := s.X.(*ast.Ident); x != nil {
			return x.Name, s.Sel.Name, true
		}
	}
	return "", "", false
}

// signatures looks at what a file exports.
type signatures struct {
	tree     *tree
	hidden   map[string]string // internal packages, by the name that they have in the file
	borrowed map[string]bool   // what these packages have from elsewhere
	found    []finding
}

func (s *signatures) declaration(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Name.IsExported() && (decl.Recv == nil || receiver(decl).IsExported()) {
			s.typ(decl.Name, decl.Type)
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			s.spec(spec)
		}
	}
}

func (s *signatures) spec(spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && !spec.Assign.IsValid() {
			s.typ(spec.Name, spec)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && spec.Type != nil {
				s.typ(name, spec.Type)
			}
		}
	}
}

// typ looks for internal types in a type. Unexported fields and methods may have them.
func (s *signatures) typ(of *ast.Ident, typ ast.Node) {
	ast.Inspect(typ, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			s.members(of, n.Fields)
			return false
		case *ast.InterfaceType:
			s.members(of, n.Methods)
			return false
		default:
			pkg, name, ok := qualified(n)
			if dir := s.hidden[pkg]; ok && dir != "" && !s.borrowed[dir+"."+name] {
				s.found = append(s.found, s.tree.find(n.Pos(), "%s mentions %s.%s, which users cannot name", of.Name, path.Base(dir), name))
			}
		}
		return true
	})
}

// members looks at exported fields and methods, and at what is embedded.
func (s *signatures) members(of *ast.Ident, list *ast.FieldList) {
	for _, field := range list.List {
		visible := len(field.Names) == 0
		for _, name := range field.Names {
			visible = visible || name.IsExported()
		}
		if visible {
			s.typ(of, field.Type)
		}
	}
}

var publicAPIExamples = map[string]example{
	"functions": {
		files: sources{"framework/f.go": `package framework

import (
	"example.org/m/internal/telemetry"
	lines "example.org/m/internal/wire"
)

func Hold(c chan []lines.Line) (*telemetry.Hold, error) { return nil, nil }
func hold() *telemetry.Hold                             { return nil }

type Client struct{}

func (c *Client) Telemetry() *telemetry.Client { return nil }
func (c *Client) telemetry() *telemetry.Client { return nil }

type core struct{}

func (c *core) Telemetry() *telemetry.Client { return nil }
`},
		want: []string{
			"framework/f.go:8: Hold mentions wire.Line, which users cannot name",
			"framework/f.go:8: Hold mentions telemetry.Hold",
			"framework/f.go:13: Telemetry mentions telemetry.Client",
		},
	},
	"types and variables": {
		files: sources{"lock/l.go": `package lock

import "example.org/m/internal/wire"

type Held struct {
	*wire.Session
	Line struct{ Inner, own map[string]wire.Line }
	link wire.Line
}

type Line = wire.Line
type Link wire.Line
type Source interface{ Next() wire.Line; next() wire.Line }
type Box[T wire.Any] struct{ of T }
type held struct{ Link wire.Line }

var First, last wire.Line
var ErrLost = wire.ErrLost
var none wire.Line
`},
		want: []string{
			"lock/l.go:6: Held mentions wire.Session",
			"lock/l.go:7: Held mentions wire.Line",
			"lock/l.go:12: Link mentions wire.Line",
			"lock/l.go:13: Source mentions wire.Line",
			"lock/l.go:14: Box mentions wire.Any",
			"lock/l.go:17: First mentions wire.Line",
		},
	},
	"from elsewhere, by way of an internal package": {
		files: sources{
			"internal/telemetry/t.go": `package telemetry

import (
	"go.opentelemetry.io/otel/trace"
	"example.org/m/internal/wire"
)

type Provider = trace.TracerProvider
type Own trace.TracerProvider
type Line = wire.Line
`,
			"framework/f.go": `package framework

import "example.org/m/internal/telemetry"

type Config struct {
	Provider telemetry.Provider
	Own      telemetry.Own
	Line     telemetry.Line
}
`,
		},
		want: []string{
			"framework/f.go:7: Config mentions telemetry.Own",
			"framework/f.go:8: Config mentions telemetry.Line",
		},
	},
	"not for users": {files: sources{
		"internal/contend/c.go": "package contend\n\nimport \"example.org/m/internal/wire\"\n\ntype Line wire.Line\n",
		"lock/l_test.go":        "package lock\n\nimport \"example.org/m/internal/wire\"\n\ntype Line wire.Line\n",
		"examples/a/main.go":    "package main\n\nimport \"example.org/m/internal/wire\"\n\ntype Line wire.Line\n",
		"lock/l.go":             "package lock\n\nimport \"example.org/m/wire\"\n\ntype Line wire.Line\n",
	}},
}
