package archtest

import "strings"

var packageDocExamples = map[string]example{
	"none": {
		files: sources{"a/a.go": "package a", "b/doc.go": "// Package b is b.\npackage b", "b/b.go": "package b"},
		want:  []string{"a: the package has no comment"},
	},
	"detached": {
		files: sources{"a/doc.go": "// Package a is a.\n\npackage a"},
		want:  []string{"a: the package has no comment"},
	},
	"only in a test": {
		files: sources{"a/a.go": "package a", "a/a_test.go": "// Package a is a.\npackage a"},
		want:  []string{"a: the package has no comment"},
	},
	"elsewhere": {
		files: sources{"a/a.go": "// Package a is a.\npackage a"},
		want:  []string{"a/a.go:2: the comment of the package belongs into its doc.go"},
	},
	"twice": {
		files: sources{"a/a.go": "// A licence.\npackage a", "a/doc.go": "// Package a is a.\npackage a"},
		want:  []string{"a/a.go:2: the comment of the package belongs into its doc.go"},
	},
	"program": {files: sources{"a/main.go": "// A does a.\npackage main"}},
	"program without": {
		files: sources{"a/main.go": "package main"},
		want:  []string{"a: the package has no comment"},
	},
}

var exportedDocExamples = map[string]example{
	"functions and methods": {
		files: sources{"a/a.go": `package a
func F() {}
func f() {}
type t struct{}
func (t) M() {}
// T is documented.
type T[K any] struct{}
func (*T[K]) M() {}
func (T[K]) m() {}
// U is documented.
type U[K, V any] struct{}
func (*U[K, V]) M() {}
func (u (U[K, V])) N() {}
`},
		want: []string{"a/a.go:2: F is exported", "a/a.go:8: M is exported", "a/a.go:12: M is exported", "a/a.go:13: N is exported"},
	},
	"types": {
		files: sources{"a/a.go": `package a
type A int
// The group's comment names D.
type (
	B int
	D int
	// C is documented.
	C int
)
`},
		want: []string{"a/a.go:2: A is exported", "a/a.go:5: B is exported"},
	},
	"values": {
		files: sources{"a/a.go": `package a
var A, b = 1, 2
const (
	C = 1
	D = 2 // D is two.
	// E is three.
	E = 3
)
// The numbers.
const (
	F = 1
	G = 2
)
`},
		want: []string{"a/a.go:2: A is exported", "a/a.go:4: C is exported"},
	},
	"fields": {
		files: sources{"a/a.go": `package a
// T has a Name, and an Idea.
type T struct {
	Name string
	// B is documented.
	B int
	C int // C is, too.
	D, e int
	I int
	T2
}
// T2 is documented.
type T2 struct{}
type t struct { F int }
`},
		want: []string{"a/a.go:8: D is exported", "a/a.go:9: I is exported"},
	},
	"interfaces": {
		files: sources{"a/a.go": `package a
// I has a Close method.
type I interface {
	Close()
	// B is documented.
	B()
	C()
}
`},
		want: []string{"a/a.go:7: C is exported"},
	},
	"internal fields": {
		files: sources{"internal/a/a.go": "package a\n// T is documented.\ntype T struct { F int }\nfunc F() {}\n"},
		want:  []string{"internal/a/a.go:4: F is exported"},
	},
	"programs and tests": {files: sources{
		"a/main.go":   "package main\nfunc F() {}\n",
		"b/b_test.go": "package b\nfunc TestB() {}\n",
	}},
}

var sleepExamples = map[string]example{
	"in real time": {
		files: sources{"a/a_test.go": `package a
import "time"
func TestA(t *testing.T) {
	time.Sleep(1)
	defer time.Sleep(1)
	go func() { time.Sleep(1) }()
	wait := time.Sleep
	t.Run("x", func(t *testing.T) { time.Sleep(1) })
}
var _ = func() { time.Sleep(1) }
`},
		want: []string{
			"a/a_test.go:4: sleeps", "a/a_test.go:5: sleeps", "a/a_test.go:6: sleeps",
			"a/a_test.go:7: sleeps", "a/a_test.go:8: sleeps", "a/a_test.go:10: sleeps",
		},
	},
	"renamed": {
		files: sources{"a/a_test.go": "package a\nimport clock \"time\"\nfunc f() { clock.Sleep(1) }\n"},
		want:  []string{"a/a_test.go:3: sleeps"},
	},
	"something else": {files: sources{
		"a/a_test.go": "package a\nimport \"time\"\nfunc f() { timer.Sleep(1); time.After(1) }\n",
		"a/b_test.go": "package a\nfunc g() { time.Sleep(1) }\n", // a variable
	}},
	"outside tests": {files: sources{"a/a.go": "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"}},
	"in a bubble of docenttest": {files: sources{"a/a_test.go": `package a
import ("example.org/m/docenttest"; "time")
func TestA(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) { time.Sleep(1) })
}
`}},
	"in a bubble": {files: sources{"a/a_test.go": `package a
import ("testing/synctest"; "time")
func TestA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(1)
		go func() { time.Sleep(1) }()
	})
}
`}},
	"beside a bubble": {
		files: sources{"a/a_test.go": `package a
import ("testing/synctest"; "time")
func TestA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
	})
	time.Sleep(1)
	synctest.Test(wait(time.Sleep), func(t *testing.T) {
	})
	synctest.Wait(func() { time.Sleep(1) })
	with(func() { time.Sleep(1) }).inBubble(f)
}
func (w) inBubble(f func()) {}
`},
		want: []string{
			"a/a_test.go:6: sleeps", "a/a_test.go:7: sleeps", "a/a_test.go:9: sleeps", "a/a_test.go:10: sleeps",
		},
	},
	"in helpers": {files: sources{
		"a/a_test.go": `package a
import "time"
// pause runs in a bubble.
func pause() { time.Sleep(1) }
// with runs f in a
// bubble.
func with(f func()) {}
func inBubble(f func()) {}
func (s suite) runBubble(f func()) {}
// steps run in a bubble.
var steps = []func(){func() { time.Sleep(1) }}
`,
		"a/b_test.go": `package a
import "time"
func TestA(t *testing.T) {
	with(func() { time.Sleep(1) })
	inBubble(func() { time.Sleep(1) })
	suite{}.runBubble(func() { time.Sleep(1) })
}
`,
	}},
	"helpers of another package": {
		files: sources{
			"a/a_test.go": "package a\n// with runs f in a bubble.\nfunc with(f func()) {}\n",
			"b/b_test.go": "package b\nimport \"time\"\nfunc TestA() { with(func() { time.Sleep(1) }) }\n",
		},
		want: []string{"b/b_test.go:3: sleeps"},
	},
}

var fileSizeExamples = map[string]example{
	"at and above the limit": {
		files: sources{
			"a/a.go":      "package a" + strings.Repeat("\n", 500),
			"a/b.go":      "package a" + strings.Repeat("\n", 501),
			"a/b_test.go": "package a" + strings.Repeat("\n", 502),
		},
		want: []string{"a/b.go: 501 lines; at most 500", "a/b_test.go: 502 lines; at most 500"},
	},
}

// functions returns n functions of the given length.
func functions(n, lines int) string {
	return strings.Repeat("\n// Comments do not count.\nfunc f() {"+strings.Repeat("\n", lines-1)+"}\n", n)
}

var functionSizeExamples = map[string]example{
	"at and above the limit": {
		files: sources{
			"a/a.go":      "package a" + functions(60, 1) + functions(1, 75) + functions(1, 76),
			"a/a_test.go": "package a" + functions(1, 100),
		},
		want: []string{"a/a.go:260: f has 76 lines; at most 75"},
	},
	"median at the limit": {files: sources{"a/a.go": "package a" + functions(11, 10) + functions(10, 20)}},
	"median above the limit": {
		files: sources{"a/a.go": "package a" + functions(9, 10) + functions(10, 11)},
		want:  []string{".: the median function has 11 lines"},
	},
	"tail at the limit": {files: sources{"a/a.go": "package a" + functions(90, 1) + functions(5, 40) + functions(5, 60)}},
	"tail above the limit": {
		files: sources{"a/a.go": "package a" + functions(90, 1) + functions(5, 41) + functions(5, 60)},
		want:  []string{".: 95 % of the functions have up to 41 lines"},
	},
	"tests may be long": {files: sources{"a/a_test.go": "package a" + functions(10, 60)}},
}

var remindersExamples = map[string]example{
	"in comments": {
		files: sources{
			"a/a.go":      "package a // TO" + "DO: finish\n/* and\nFIX" + "ME */\n",
			"a/a_test.go": "package a\n\nfunc f() {\n\tg() // X" + "XX\n}\n",
		},
		want: []string{"a/a.go:1: a note of unfinished work (TO", "a/a.go:2: a note of unfinished work (FIX", "a/a_test.go:4: a note of"},
	},
	"elsewhere": {files: sources{"a/a.go": "package a\n\n// TO" + "DOs are words, todo too.\nvar s = \"TO" + "DO\"\n"}},
}

var namesExamples = map[string]example{
	"files and packages": {
		files: sources{
			"a/helpers_test.go":  "package a",
			"a/util.go":          "package a",
			"common/path.go":     "package path",
			"b/b.go":             "package utils",
			"b/b_test.go":        "package helpers_test",
			"b/commonprefix.go":  "package b",
			"uncommon/helped.go": "package uncommon",
		},
		want: []string{
			"a/helpers_test.go: helpers is", "a/util.go: util is", "b/b.go: utils is", "b/b_test.go: helpers_test is",
			"common/path.go: common is",
		},
	},
}

var leakTestExamples = map[string]example{
	"none": {
		files: sources{"a/a.go": "package a", "a/a_test.go": "package a", "b/b.go": "package b"},
		want:  []string{"a: its tests have no TestMain that uses goleak"},
	},
	"without goleak": {
		files: sources{"a/a_test.go": "package a\nfunc TestMain() {}\n"},
		want:  []string{"a: its tests have no TestMain that uses goleak"},
	},
	"without TestMain": {
		files: sources{
			"a/a_test.go": "package a\nimport \"go.uber.org/goleak\"\nfunc (t) TestMain() { goleak.X() }\n",
			"a/b_test.go": "package a\nfunc TestMain() {}\n",
		},
		want: []string{"a: its tests have no TestMain that uses goleak"},
	},
	"in one of the files": {files: sources{
		"a/a_test.go": "package a",
		"a/b_test.go": "package a\nimport \"go.uber.org/goleak\"\nfunc TestMain() { goleak.X() }\n",
	}},
}
