// Command mutants plants one bug after another in docent and runs, for each, the test that must find it.
//
//	make mutants                         # all of them
//	make mutants SHARD=2/4               # every fourth, beginning with the second
//	go run ./internal/test/mutants -only lock # those whose names contain a text
//	go run ./internal/test/mutants -table     # writes README.md of this directory
//
// A mutant is a patch file in patches. Its head has a description, the kind of change (the operator), and the command that must find it
// (the oracle):
//
//	what: a waiter that gives up does not pass its place on
//	operator: call left out
//	oracle: go test ./lock -run '^TestWaiterGivesUp$'
//
//	--- a/internal/contend/queue.go
//	+++ b/internal/contend/queue.go
//	@@ ...
//
// If the oracle finds a mutant only by chance, for example in a data race, the head has a line "chance:" with the reason. Such a mutant is left out of the
// sample. If no test can find a mutant, because it changes nothing observable, the head has a line "equivalent:" with the reason.
//
// The source files are not changed: the go command gets the changed file as an overlay (go help build, -overlay).
//
//	patch ──applies──▶ overlay ──compiles──▶ oracle fails ──▶ killed
//	  │                   │                     └─ passes ──▶ survived, an error unless it is equivalent
//	  └─ does not: error  └─ does not: error
//
// The tests of this command check that every patch applies, that no two have the same place and operator, and that README.md agrees with the patches. They
// run one mutant, which changes with the commit.
package main
