// Package archtest holds the rules that this module sets itself, as tests.
//
// It has no code of its own. One test asks the go command which modules a user's program is linked with. The others parse every Go file of the module with
// go/parser (asking the go command instead would hide a forbidden import behind
// its build cache), leaving out nested modules, testdata, and directories that
// the go command ignores too. Then each rule looks at the parsed tree and
// returns what it objects to:
//
//	files --> tree --> rule --> findings, with file and line
//	                   rule --> findings
//	                   ...
//
// The rules are about
//
//   - layers: who may import whom inside the module, as a table that also lists
//     packages which are still to come, so that the place of a new package is
//     decided before its first line;
//   - dependencies: which package may import which foreign module, and that
//     nothing outside test files imports a testing library;
//   - the public API: no package that users can import exports a type of an
//     internal one, and only framework and internal/recipekit import the seam
//     between them;
//   - the driver: go-zookeeper's connection carries no requests of docent's;
//   - size: lines of a file, of a function, of the median function;
//   - documentation: every package, every exported identifier;
//   - time: no test sleeps in real time;
//   - passwords: those of tests have a marker, which scripts/no-secrets looks for in the output of all tests;
//   - the file map of docs/design.md, which names every file once;
//   - loose ends: no reminders of unfinished work, no packages named after
//     nothing, no package without a check for leaked goroutines.
//
// Each rule also runs against small made-up modules, one or more that break it
// and one that keeps all of them, so that no rule can go blind unnoticed.
//
// # Sleeping
//
// A test may call time.Sleep only where time is fake. Lexically that is
// inside a function literal passed to synctest.Test or docenttest.Run, or inside a function whose
// name or doc comment contains the word "bubble", which is a promise by its
// author, or inside a function literal passed to such a function. The last two
// cover test helpers: they say where they run, and then they may sleep, and so
// may what is handed to them. The comment of a variable, such as a table of
// functions, can give the same promise.
//
// # Fields
//
// An exported field of an exported struct is documented by a comment of its
// own, or by the struct's comment, if that names it. Methods of an interface
// likewise. In internal packages, whose records often mirror a protocol that is
// documented elsewhere, fields may speak for themselves.
package archtest
