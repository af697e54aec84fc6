// Package compat says, in a table, what docent needs of the servers and what it does without.
//
// Each capability of a server is used in the same way on a real ZooKeeper, on zktest with everything, and on zktest without that
// capability. What is seen there stands in docs/compatibility.md: go test ./internal/compat -run TestTables -update writes it.
package compat
