// Package etcd compares docent with etcd's own recipes, go.etcd.io/etcd/client/v3/concurrency, under the same faults: a network
// that drops everything, late replies, lost connections, canceled calls. It has only tests; docs/comparison.md describes the results.
//
//	make compare             # from the root of the repository
//	go test -v ./...         # from here, with the figures
//
// The servers are real ones in this process: an etcd of one member, and zktest for docent. Clients that are cut off
// reach their server through a proxy. Observers and the next holder connect directly.
//
// It is a separate module because etcd's server needs a hundred modules and takes a minute to compile. For the same reason
// make test leaves it out.
//
// # Notice of a lost lock
//
// Holder and successor are in one process, so one clock measures when the holder was notified that its lock is lost, and when the
// successor got the lock. If the second comes first, there were two holders for that time.
//
// etcd's client counts the lease's time from the arrival of a reply, and checks once per second. The server counts from when it renewed the
// lease, and checks twice per second. So the result of a black hole depends on chance. If replies have been late, the holder is notified
// late by as much. docent counts from when the request was sent, and subtracts a margin.
package etcd
