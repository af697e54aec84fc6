package archtest

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tree is the parsed source of a module.
type tree struct {
	module string // its path
	goMod  string // the text of go.mod
	fset   *token.FileSet
	files  []*file // sorted by path
	broken []finding
}

// file is one Go file.
type file struct {
	path  string // from the root of the module, with slashes
	dir   string // its directory, "." for the root
	test  bool   // its name ends in _test.go
	lines int
	ast   *ast.File
}

// finding is what a rule objects to.
type finding struct {
	path string
	line int // 0: the whole file or directory
	text string
}

func (f finding) String() string {
	if f.line == 0 {
		return f.path + ": " + f.text
	}
	return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text)
}

// load parses the module in fsys. Files that do not parse become findings, and
// are left out otherwise.
func load(fsys fs.FS) (*tree, error) {
	goMod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, err
	}
	t := &tree{goMod: string(goMod), fset: token.NewFileSet()}
	t.module = t.directive("module")
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && foreign(fsys, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		return t.add(fsys, name)
	})
	return t, err
}

// foreign reports whether a directory is not part of the module.
func foreign(fsys fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(dir, "go.mod"))
	return err == nil
}

func (t *tree) add(fsys fs.FS, name string) error {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.broken = append(t.broken, finding{path: name, text: "does not parse: " + err.Error()})
		return nil
	}
	t.files = append(t.files, &file{
		path:  name,
		dir:   path.Dir(name),
		test:  strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(source, []byte("\n")),
		ast:   parsed,
	})
	return nil
}

// directive returns the argument of a one-line directive of go.mod.
func (t *tree) directive(name string) string {
	for line := range strings.Lines(t.goMod) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == name {
			return fields[1]
		}
	}
	return ""
}

// find makes a finding at a position.
func (t *tree) find(at token.Pos, format string, args ...any) finding {
	p := t.fset.Position(at)
	return finding{path: p.Filename, line: p.Line, text: fmt.Sprintf(format, args...)}
}

// packages returns the files of each directory, sorted by directory.
func (t *tree) packages() [][]*file {
	var all [][]*file
	byDir := slices.Clone(t.files)
	slices.SortStableFunc(byDir, func(a, b *file) int { return cmp.Compare(a.dir, b.dir) })
	for i, f := range byDir {
		if i == 0 || byDir[i-1].dir != f.dir {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], f)
	}
	return all
}

// imported is one import of a file.
type imported struct {
	path string
	at   token.Pos
}

func (f *file) imports() []imported {
	var all []imported
	for _, spec := range f.ast.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			all = append(all, imported{path: p, at: spec.Pos()})
		}
	}
	return all
}

// nameOf returns the name by which f refers to an imported package, or "".
func (f *file) nameOf(importPath string) string {
	for _, spec := range f.ast.Imports {
		if spec.Path.Value != strconv.Quote(importPath) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// functions returns the declared functions and methods of f.
func (f *file) functions() []*ast.FuncDecl {
	var all []*ast.FuncDecl
	for _, d := range f.ast.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			all = append(all, fn)
		}
	}
	return all
}
