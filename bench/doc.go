// Package bench compares docent with the same work done with bare
// go-zookeeper, on zktest and on real ZooKeeper. It consists of benchmarks:
//
//	make bench-go                       # all
//	make bench-go BENCH=Lock            # some
//	make bench-go BENCH=/server=real    # on real ZooKeeper only
//
// After them, make bench-go runs the benchmarks that compare docent with
// Curator: BenchmarkRecipes and BenchmarkCaches count the requests to the
// servers, and print tables at the end.
//
// # Method
//
// Both sides take turns of a tenth of b.N, within one benchmark and against one
// server, so that they run under the same conditions. The reported
// metrics are
//
//	ns/op             docent
//	bare-ns/op        the same work with bare go-zookeeper
//	ratio             ns/op divided by bare-ns/op; below 1, docent is faster
//	docent-allocs/op  heap allocations of the whole process in docent's turns
//	docent-B/op       bytes of these allocations
//	docent-cpu-ns/op  processor time of the process, user and system
//	bare-...          the same in the other turns
//	cpu-ratio         docent-cpu-ns/op divided by bare-cpu-ns/op
//
// A table at the end shows Get, Set, Create and Children as well, with the median
// time of an operation, and the goroutines for each call, without the callers.
//
// Before the measurement both sides run until the Java server has compiled its
// code.
//
// On zktest the server runs in the same process and on the same processors; its
// work and its allocations count for both sides, and the ratio says more than
// the times. The times on server=real show the latency. That server
// writes its log to memory, without forcing it to a disk.
//
//	benchmark        one operation is                            callers
//	Get, Set         one request and its answer                  1, 16, 256 on one session
//	Children         the same, with 100 names                    1, 16, 256 on one session
//	Create           a node is created and deleted               1, 16, 256 on one session
//	CacheLoad        a cache of many nodes is opened             1, beside a walk with watches
//	CacheFollow      5,000 nodes are set in transactions of 100  1, beside the sets alone
//	                 until the cache has all of it
//	Rearm            from the end of a connection until the      1
//	                 server has 200,000 watches again
//	Lock             Lock and Unlock of a free lock              1
//	HandOver         from Unlock until the waiter holds          2 processes
//	Sharing          Lock and Unlock of a lock that all want     8 in one process
//	LeaderResigns    from the return of the leader function      2 candidates
//	                 until the other candidate's is called
//	LeaderExpires    from the end of the leader's session        2 candidates
//	                 until the other candidate's is called
//	Pick             Pick and Done, of 200 instances             1 and all processors
//	Decode           reading one instance
//
// Bare go-zookeeper means zk.Conn for operations and zk.Lock for locks. It has
// no elections, so there is nothing beside these. Sharing has docent on both
// sides: with LocalHandover, and without it as "bare". Pick and Decode of package
// discovery stand alone.
package bench
