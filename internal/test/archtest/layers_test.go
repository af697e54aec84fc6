package archtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// layers says what each package stands on. It may import that, and whatever
// that stands on. A name that ends in "/..." stands for all packages below it.
var layers = map[string][]string{
	"retry":                {},
	"internal/fanout":      {},
	"internal/brief":       {},
	"internal/guard":       {},
	"internal/seqnode":     {},
	"internal/jute":        {},
	"internal/wire":        {"internal/jute"},
	"internal/digestmd5":   {},
	"internal/sessionfile": {},
	"sasl":                 {"internal/digestmd5"},
	"internal/telemetry":   {},
	"internal/seam":        {"internal/telemetry"},

	"framework": {
		"retry", "sasl", "internal/brief", "internal/fanout", "internal/seqnode", "internal/sessionfile", "internal/jute", "internal/wire", "internal/telemetry", "internal/seam",
	},
	"internal/recipekit": {"framework"},

	"internal/accept":     {},
	"framework/health":    {"framework", "internal/accept"},
	"framework/debugpage": {"framework", "internal/seqnode", "internal/accept", "internal/brief"},

	"internal/contend": {"internal/recipekit"},
	"lock":             {"internal/contend"},
	"leader":           {"internal/contend"},
	"barrier":          {"internal/contend"},

	"node":      {"internal/recipekit"},
	"cache":     {"internal/recipekit", "internal/guard"},
	"counter":   {"internal/recipekit"},
	"discovery": {"node", "cache", "internal/brief"},

	"zktest":                 {"internal/jute", "internal/digestmd5"},
	"docenttest":             {"framework", "zktest"},
	"internal/test/realzk":   {},
	"internal/test/archtest": {},
	"internal/test/readme":   {},
	"internal/test/mutants":  {},
	"internal/test/sim": {
		"lock", "leader", "barrier", "node", "cache", "counter", "discovery", "zktest", "internal/test/realzk",
	},

	"internal/test/recipes": public,
	"internal/test/compat":  public,

	"internal/arguments": public,

	"internal/test/interop": append([]string{"internal/test/realzk"}, public...),

	"examples/internal/stage": {"framework", "zktest"},

	"examples/...": append([]string{"examples/internal/stage"}, public...),
	"bench/...":    public,
}

// public are the packages that users import. What is written as users would
// write it gets these and nothing below them.
var public = []string{
	"retry", "sasl", "framework", "framework/health", "framework/debugpage", "lock", "leader", "barrier", "node", "cache", "counter", "discovery", "zktest", "docenttest",
}

// grounds are what every test may run on: servers, and the harness that breaks them on purpose.
var grounds = []string{"zktest", "docenttest", "internal/test/realzk", "internal/test/sim"}

// layerOf returns the entry of layers that holds for a package, or "".
func layerOf(dir string) string {
	if _, ok := layers[dir]; ok {
		return dir
	}
	for name := range layers {
		if root, ok := strings.CutSuffix(name, "/..."); ok && (dir == root || strings.HasPrefix(dir, root+"/")) {
			return name
		}
	}
	return ""
}

// mayImport reports whether a package of the given layer may import target.
func mayImport(layer, target string) bool {
	direct := layers[layer]
	if slices.Contains(direct, target) {
		return true
	}
	if strings.HasSuffix(layer, "/...") {
		return false
	}
	return slices.ContainsFunc(direct, func(d string) bool { return mayImport(d, target) })
}

// checkLayers holds the module's own imports against the table.
func checkLayers(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		layer := layerOf(f.dir)
		if layer == "" {
			all = append(all, finding{path: f.path, text: "its package is not in the table of layers; decide what it stands on"})
			continue
		}
		for _, imp := range f.imports() {
			target, own := t.inside(imp.path)
			if !own || mayImport(layer, target) || f.test && testMayImport(f.dir, target) {
				continue
			}
			all = append(all, t.find(imp.at, "%s may not import %s: imports point downwards only", f.dir, target))
		}
	}
	return all
}

// checkSeam keeps internal/seam for the two packages that it joins. All others get what passes through it from internal/recipekit,
// with its types.
func checkSeam(t *tree) []finding {
	var all []finding
	for _, f := range t.files {
		for _, imp := range f.imports() {
			if target, _ := t.inside(imp.path); target == "internal/seam" && f.dir != "framework" && f.dir != "internal/recipekit" {
				all = append(all, t.find(imp.at, "%s may not import internal/seam: use internal/recipekit", f.dir))
			}
		}
	}
	return all
}

// testMayImport is what test files may import in addition. Framework's tests call what framework does for recipes only.
func testMayImport(dir, target string) bool {
	return target == dir || slices.Contains(grounds, target) || dir == "framework" && target == "internal/recipekit"
}

// inside returns the path of a package within the module.
func (t *tree) inside(importPath string) (dir string, own bool) {
	if importPath == t.module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.module+"/")
}

// The table must be one: all names known, and no circles.
func TestLayersAreLayers(t *testing.T) {
	for name, below := range layers {
		assert.False(t, mayImport(name, name), "%s stands on itself", name)
		for _, b := range below {
			assert.Contains(t, layers, b, "%s stands on something unknown", name)
		}
	}
}
