// Package etcd holds docent beside etcd's own recipes, go.etcd.io/etcd/client/v3/concurrency, in the same trouble: a network
// that carries nothing any more, answers that come late, connections that break, calls that are given up. It is tests only;
// docs/comparison.md says what they show.
//
//	make compare             # from the root of the repository
//	go test -v ./...         # from here, with the figures
//
// The servers are real ones in this process: an etcd of one member, and zktest for docent. Clients that are to be cut off
// reach theirs through a proxy; whoever watches, or is to have the lock next, goes straight.
//
// It is a module of its own because etcd's server comes with a hundred modules and takes a minute to compile. Therefore
// make test leaves it out, too.
//
// # Told in time
//
// Holder and successor live in one process, so that one clock dates what both of them learn: when the holder was told that
// what it holds is gone, and when the successor had it. If the second comes first there were two holders, for as long as the
// difference.
//
// etcd's client counts the lease's time from the moment at which an answer arrives, and looks once per second whether it is
// over. The server counts from the moment at which it renewed the lease, and looks twice per second. So nothing is settled by
// a black hole alone; and if answers have been late, the holder is told late, by just as much. docent counts from when the
// request was sent, and leaves a margin.
package etcd
