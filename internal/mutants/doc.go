// Command mutants plants one bug after another in docent and runs, for each, the test that must find it.
//
//	make mutants                         # all of them
//	make mutants SHARD=2/4               # every fourth, beginning with the second
//	go run ./internal/mutants -only lock # those whose names contain a text
//	go run ./internal/mutants -table     # writes README.md of this directory
//
// A mutant is a patch file in patches. Its head says what is broken, by which kind of change (the operator), and which command finds it
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
// A mutant that the oracle finds by chance, as by goroutines that meet, has a line "chance:" with the reason. It is left out of the sample.
//
// A mutant that no test can find, because nothing that can be observed changes, has a line "equivalent:" with the reason.
//
// The tree is not touched: the changed file is laid over it (go help build, -overlay).
//
//	patch ──applies──▶ overlay ──compiles──▶ oracle fails ──▶ killed
//	  │                   │                     └─ passes ──▶ survived, an error unless it is equivalent
//	  └─ does not: error  └─ does not: error
//
// The tests of this command see that every patch applies, that no two have the same place and operator, that README.md is what the patches
// say, and run one, which changes with the commit.
package main
