package archtest

import (
	"go/ast"
	"slices"
)

// driverFile is the only file that has to do with go-zookeeper's connection.
const driverFile = "framework/epoch.go"

// checkDriver keeps docent's requests its own. go-zookeeper's connection dials, shakes hands, pings and closes: nobody but driverFile names
// it, and that calls nothing of it but Close.
func checkDriver(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		if f.test || !slices.ContainsFunc(f.imports(), func(imp imported) bool { return imp.path == "github.com/go-zookeeper/zk" }) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if use, ok := n.(*ast.SelectorExpr); ok {
				all = append(all, t.driverUse(f, use)...)
			}
			return true
		})
	}
	return all
}

// driverUse looks at one selector.
func (t *tree) driverUse(f *file, use *ast.SelectorExpr) []finding {
	if id, ok := use.X.(*ast.Ident); ok && id.Name == "zk" && f.path != driverFile && (use.Sel.Name == "Conn" || use.Sel.Name == "Connect") {
		return []finding{t.find(use.Pos(), "zk.%s belongs to %s", use.Sel.Name, driverFile)}
	}
	if inner, ok := use.X.(*ast.SelectorExpr); ok && f.path == driverFile && inner.Sel.Name == "conn" && use.Sel.Name != "Close" {
		return []finding{t.find(use.Pos(), "%s of go-zookeeper's connection: docent sends its own requests", use.Sel.Name)}
	}
	return nil
}

var driverExamples = map[string]example{
	"in its place": {files: sources{
		"framework/epoch.go": "package framework\n\nimport \"github.com/go-zookeeper/zk\"\n\ntype e struct{ conn *zk.Conn }\n\nfunc (e *e) end() { e.conn.Close() }\n",
		"framework/acl.go":   "package framework\n\nimport \"github.com/go-zookeeper/zk\"\n\nvar _ = zk.ErrNoNode\n",
	}},
	"elsewhere": {
		files: sources{
			"framework/epoch.go": "package framework\n\nimport \"github.com/go-zookeeper/zk\"\n\ntype e struct{ conn *zk.Conn }\n\nfunc (e *e) get() { e.conn.Get(\"/\") }\n",
			"lock/l.go":          "package lock\n\nimport \"github.com/go-zookeeper/zk\"\n\nfunc f(c *zk.Conn) {}\n",
		},
		want: []string{"framework/epoch.go:7: Get of go-zookeeper's connection", "lock/l.go:5: zk.Conn belongs to framework/epoch.go"},
	},
}
