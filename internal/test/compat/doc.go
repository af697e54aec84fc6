// Package compat tests which capabilities docent uses if the servers have them, and what it does if they do not.
//
// Each capability is used in the same way on a real ZooKeeper, on zktest with all capabilities, and on zktest without that one. The results are in
// docs/compatibility.md: go test ./internal/test/compat -run TestTables -update writes it.
package compat
