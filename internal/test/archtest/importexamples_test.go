package archtest

// importing returns a file of a package that only imports.
func importing(pkg string, paths ...string) string {
	text := "package " + pkg + "\n\nimport (\n"
	for _, p := range paths {
		text += "\t_ \"" + p + "\"\n"
	}
	return text + ")\n"
}

var parsesExamples = map[string]example{
	"broken": {
		files: sources{"a/a.go": "package a\nfunc {", "a/b.go": "package a"},
		want:  []string{"a/a.go: does not parse: "},
	},
}

var layersExamples = map[string]example{
	"downwards": {files: sources{
		"framework/f.go":        importing("framework", "example.org/m/retry", "example.org/m/internal/wire"),
		"internal/contend/c.go": importing("contend", "example.org/m/framework", "example.org/m/internal/seqnode"),
		"lock/l.go":             importing("lock", "example.org/m/internal/contend", "example.org/m/framework", "example.org/m/retry"),
		"discovery/d.go":        importing("discovery", "example.org/m/node", "example.org/m/cache", "example.org/m/framework"),
		"zktest/z.go":           importing("zktest", "example.org/m/internal/jute", "net"),
	}},
	"upwards": {
		files: sources{"retry/r.go": importing("retry", "context", "example.org/m/framework")},
		want:  []string{"retry/r.go:5: retry may not import framework"},
	},
	"sideways": {
		files: sources{"internal/wire/w.go": importing("wire", "example.org/m/internal/fanout")},
		want:  []string{"internal/wire/w.go:4: internal/wire may not import internal/fanout"},
	},
	"recipe to recipe": {
		files: sources{
			"leader/l.go":  importing("leader", "example.org/m/lock"),
			"cache/c.go":   importing("cache", "example.org/m/node"),
			"counter/c.go": importing("counter", "example.org/m/cache"),
		},
		want: []string{
			"cache/c.go:4: cache may not import node",
			"counter/c.go:4: counter may not import cache",
			"leader/l.go:4: leader may not import lock",
		},
	},
	"claims without contend": {
		files: sources{"node/n.go": importing("node", "example.org/m/internal/contend")},
		want:  []string{"node/n.go:4: node may not import internal/contend"},
	},
	"server needs the client": {
		files: sources{"zktest/z.go": importing("zktest", "example.org/m/framework", "example.org/m/internal/wire")},
		want:  []string{"zktest/z.go:4: zktest may not import framework", "zktest/z.go:5: zktest may not import internal/wire"},
	},
	"program needs the test server": {
		files: sources{"lock/l.go": importing("lock", "example.org/m/zktest")},
		want:  []string{"lock/l.go:4: lock may not import zktest"},
	},
	"tests may use servers and their own package": {files: sources{
		"lock/l_test.go": importing("lock_test", "example.org/m/lock", "example.org/m/zktest", "example.org/m/internal/test/realzk", "example.org/m/framework"),
	}},
	"recipes may use what framework keeps from users, and its tests too": {files: sources{
		"lock/l.go":           importing("lock", "example.org/m/internal/recipekit"),
		"discovery/d.go":      importing("discovery", "example.org/m/internal/recipekit"),
		"framework/f_test.go": importing("framework_test", "example.org/m/internal/recipekit"),
	}},
	"others may not": {
		files: sources{
			"framework/f.go":           importing("framework", "example.org/m/internal/recipekit"),
			"framework/health/h.go":    importing("health", "example.org/m/internal/recipekit"),
			"examples/lock/main.go":    importing("main", "example.org/m/internal/recipekit"),
			"internal/wire/w_test.go":  importing("wire", "example.org/m/internal/recipekit"),
			"internal/recipekit/r.go":  importing("recipekit", "example.org/m/framework", "example.org/m/internal/seam"),
			"internal/telemetry/ts.go": importing("telemetry", "example.org/m/internal/seam"),
		},
		want: []string{
			"examples/lock/main.go:4: examples/lock may not import internal/recipekit",
			"framework/f.go:4: framework may not import internal/recipekit",
			"framework/health/h.go:4: framework/health may not import internal/recipekit",
			"internal/telemetry/ts.go:4: internal/telemetry may not import internal/seam",
			"internal/wire/w_test.go:4: internal/wire may not import internal/recipekit",
		},
	},
	"tests point downwards too": {
		files: sources{"framework/f_test.go": importing("framework_test", "example.org/m/lock")},
		want:  []string{"framework/f_test.go:4: framework may not import lock"},
	},
	"examples are written as users write": {
		files: sources{
			"examples/lock/main.go": importing("main", "example.org/m/lock", "example.org/m/zktest"),
			"examples/wire/main.go": importing("main", "example.org/m/internal/wire"),
			"bench/lock_test.go":    importing("bench", "example.org/m/lock"),
		},
		want: []string{"examples/wire/main.go:4: examples/wire may not import internal/wire"},
	},
	"not in the table": {
		files: sources{"queue/q.go": importing("queue", "context"), "examplesx/x.go": "package x"},
		want:  []string{"examplesx/x.go: its package is not in the table", "queue/q.go: its package is not in the table"},
	},
	"the root": {
		files: sources{"m.go": "package m", "lock/l.go": importing("lock", "example.org/m")},
		want:  []string{"lock/l.go:4: lock may not import .", "m.go: its package is not in the table"},
	},
	"a module with a similar name": {files: sources{"lock/l.go": importing("lock", "example.org/mm/leader")}},
}

var seamExamples = map[string]example{
	"around recipekit": {
		files: sources{
			"framework/f.go":          importing("framework", "example.org/m/internal/seam"),
			"internal/recipekit/r.go": importing("recipekit", "example.org/m/internal/seam"),
			"lock/l.go":               importing("lock", "example.org/m/internal/seam"),
			"lock/l_test.go":          importing("lock", "example.org/m/internal/seam", "example.org/other/internal/seam"),
		},
		want: []string{
			"lock/l.go:4: lock may not import internal/seam: use internal/recipekit",
			"lock/l_test.go:4: lock may not import internal/seam: use internal/recipekit",
		},
	},
}

var dependenciesExamples = map[string]example{
	"all in their place": {files: sources{
		"framework/f.go":                 importing("framework", "github.com/go-zookeeper/zk", "net/http"),
		"retry/r.go":                     importing("retry", "github.com/cenkalti/backoff/v4"),
		"internal/telemetry/t.go":        importing("telemetry", "go.opentelemetry.io/otel", "go.opentelemetry.io/otel/trace"),
		"internal/wire/w_test.go":        importing("wire", "github.com/go-zookeeper/zk", "github.com/stretchr/testify/assert", "go.uber.org/goleak"),
		"internal/test/sim/sim_test.go":  importing("sim", "github.com/anishathalye/porcupine"),
		"internal/test/sim/seed_test.go": importing("sim", "pgregory.net/rapid"),
	}},
	"driver outside the framework": {
		files: sources{
			"internal/contend/c.go": importing("contend", "github.com/go-zookeeper/zk"),
			"internal/wire/w.go":    importing("wire", "github.com/go-zookeeper/zk"),
			"zktest/z.go":           importing("zktest", "github.com/go-zookeeper/zk"),
		},
		want: []string{
			"internal/contend/c.go:4: internal/contend may not import github.com/go-zookeeper/zk",
			"internal/wire/w.go:4: internal/wire may not import github.com/go-zookeeper/zk",
			"zktest/z.go:4: zktest may not import github.com/go-zookeeper/zk",
		},
	},
	"backoff outside retry": {
		files: sources{
			"framework/f.go":      importing("framework", "github.com/cenkalti/backoff/v4"),
			"framework/f_test.go": importing("framework", "github.com/cenkalti/backoff/v4"),
		},
		want: []string{
			"framework/f.go:4: framework may not import github.com/cenkalti/backoff/v4",
			"framework/f_test.go:4: framework may not import github.com/cenkalti/backoff/v4",
		},
	},
	"another major version": {
		files: sources{"retry/r.go": importing("retry", "github.com/cenkalti/backoff/v5", "github.com/cenkalti/backoff")},
		want: []string{
			"retry/r.go:4: retry may not import github.com/cenkalti/backoff/v5",
			"retry/r.go:5: retry may not import github.com/cenkalti/backoff",
		},
	},
	"a module with a similar name": {
		files: sources{"framework/f.go": importing("framework", "github.com/go-zookeeper/zkx")},
		want:  []string{"framework/f.go:4: framework may not import github.com/go-zookeeper/zkx"},
	},
	"telemetry elsewhere": {
		files: sources{"lock/l.go": importing("lock", "go.opentelemetry.io/otel/trace")},
		want:  []string{"lock/l.go:4: lock may not import go.opentelemetry.io/otel/trace"},
	},
	"more than the API of telemetry": {
		files: sources{"internal/telemetry/t_test.go": importing("telemetry", "go.opentelemetry.io/otel/sdk/trace")},
		want:  []string{"internal/telemetry/t_test.go:4: internal/telemetry may not import go.opentelemetry.io/otel/sdk/trace"},
	},
	"something new": {
		files: sources{"lock/l_test.go": importing("lock", "github.com/pkg/errors", "golang.org/x/sync/errgroup")},
		want: []string{
			"lock/l_test.go:4: lock may not import github.com/pkg/errors",
			"lock/l_test.go:5: lock may not import golang.org/x/sync/errgroup",
		},
	},
}

var productionExamples = map[string]example{
	"in test files":                  {files: sources{"lock/l_test.go": importing("lock", "testing", "testing/synctest", "net/http/httptest")}},
	"in the package that runs tests": {files: sources{"docenttest/d.go": importing("docenttest", "testing", "testing/synctest")}},
	"in others": {
		files: sources{
			"docenttest/d.go":    importing("docenttest", "testing", "net/http/httptest"),
			"examples/a/main.go": importing("main", "example.org/m/docenttest"),
			"lock/l.go":          importing("lock", "testing", "net/http"),
			"zktest/z.go":        importing("zktest", "testing/synctest", "github.com/stretchr/testify/assert", "go.uber.org/goleak", "net/http/httptest"),
		},
		want: []string{
			"docenttest/d.go:5: only test files may import net/http/httptest",
			"examples/a/main.go:4: only test files may import example.org/m/docenttest",
			"lock/l.go:4: only test files may import testing",
			"zktest/z.go:4: only test files may import testing/synctest",
			"zktest/z.go:5: only test files may import github.com/stretchr/testify/assert",
			"zktest/z.go:6: only test files may import go.uber.org/goleak",
			"zktest/z.go:7: only test files may import net/http/httptest",
		},
	},
	"similar names": {files: sources{"lock/l.go": importing("lock", "testingx", "example.org/testing")}},
}

var goVersionExamples = map[string]example{
	"raised": {
		files: sources{"go.mod": "module example.org/m\n\ngo 1.26\n"},
		want:  []string{"go.mod: the go directive is 1.26, not 1.25.0"},
	},
	"missing": {
		files: sources{"go.mod": "module example.org/m\n// go 1.25.0\n"},
		want:  []string{"go.mod: the go directive is "},
	},
}
