package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// checkPackageDoc wants one package comment in every package: in doc.go, or in
// any file of a program.
func checkPackageDoc(t *tree) []finding {
	var all []finding
	for _, files := range t.packages() {
		var commented []*file
		for _, f := range files {
			if f.ast.Doc != nil && !f.test {
				commented = append(commented, f)
			}
		}
		if len(commented) == 0 {
			all = append(all, finding{path: files[0].dir, text: "the package has no comment"})
			continue
		}
		for _, f := range commented {
			if f.ast.Name.Name != "main" && f.path != f.dir+"/doc.go" {
				all = append(all, t.find(f.ast.Package, "the comment of the package belongs into its doc.go"))
			}
		}
	}
	return all
}

// checkExportedDoc wants a comment on everything that users can name. One
// comment may serve a group of constants or variables, that of a group of types
// the types that it names, and that of a struct or interface the fields or
// methods that it names.
func checkExportedDoc(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		d := documentation{tree: t, fields: !internal(f.dir)}
		for _, decl := range f.ast.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				d.function(decl)
			case *ast.GenDecl:
				d.group(decl)
			}
		}
		all = append(all, d.missing...)
	}
	return all
}

// internal reports whether a package can only be imported by this module.
func internal(dir string) bool { return strings.Contains("/"+dir+"/", "/internal/") }

// documentation collects what has none.
type documentation struct {
	tree    *tree
	fields  bool // look at fields, too
	missing []finding
}

func (d *documentation) want(name *ast.Ident, comments ...*ast.CommentGroup) {
	if !name.IsExported() {
		return
	}
	for _, c := range comments {
		if c != nil {
			return
		}
	}
	d.missing = append(d.missing, d.tree.find(name.Pos(), "%s is exported and has no comment", name.Name))
}

// function looks at a function, or at a method of an exported type.
func (d *documentation) function(fn *ast.FuncDecl) {
	if fn.Recv == nil || receiver(fn).IsExported() {
		d.want(fn.Name, fn.Doc)
	}
}

// receiver returns the name of a method's type.
func receiver(fn *ast.FuncDecl) *ast.Ident {
	expr := fn.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e
		default:
			return ast.NewIdent("_")
		}
	}
}

func (d *documentation) group(decl *ast.GenDecl) {
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			d.typ(decl, spec)
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				d.want(name, spec.Doc, spec.Comment, decl.Doc)
			}
		}
	}
}

func (d *documentation) typ(decl *ast.GenDecl, spec *ast.TypeSpec) {
	if !spec.Name.IsExported() {
		return
	}
	doc := spec.Doc
	if decl.Lparen == token.NoPos || doc == nil && mentions(decl.Doc.Text(), spec.Name.Name) {
		doc = decl.Doc
	}
	d.want(spec.Name, doc)
	if !d.fields {
		return
	}
	switch typ := spec.Type.(type) {
	case *ast.StructType:
		d.members(typ.Fields, doc.Text())
	case *ast.InterfaceType:
		d.members(typ.Methods, doc.Text())
	}
}

// members looks at what has a name; embedded types have their own comment.
func (d *documentation) members(list *ast.FieldList, doc string) {
	for _, field := range list.List {
		for _, name := range field.Names {
			if !mentions(doc, name.Name) {
				d.want(name, field.Doc, field.Comment)
			}
		}
	}
}

// mentions reports whether text contains a name as a word of its own.
func mentions(text, name string) bool {
	return regexp.MustCompile(`\b` + name + `\b`).MatchString(text)
}
