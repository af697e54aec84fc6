// Package chaos runs every recipe in several processes against three real ZooKeeper servers while servers, links and processes fail.
//
//	make chaos FOR=10m                                       # from the root of the repository: ten minutes; docs/testing.md has figures
//	go test ./chaos -run 'TestChaos$' -v                     # from internal/test/histories: one minute of it, as in make test
//	go test ./chaos -run 'TestChaos$' -v -chaos.for 2m -chaos.seed 7
//
// It needs Linux: it stops processes, reads CLOCK_MONOTONIC and lets the kernel end workers with their parent.
//
// # Who runs where
//
//	test process   starts the servers, a proxy for each pair of worker and server, and the workers; makes the faults; judges
//	worker         a process of its own with one client, in which goroutines use every recipe again and again
//
// Workers write what they see into a file, one line per record. The file outlives a worker that is killed. All times are
// CLOCK_MONOTONIC, which is one clock for all processes of a machine and which nobody can set.
//
// # Faults
//
// One lane of faults is for the servers: rolling restarts, SIGKILL and SIGSTOP of the leader and of a follower, and partitions that cut a
// member off from its peers and not from its clients. Each worker has a lane of its own: its links are cut, silent (both ways or one way), slow
// or refused; its process is stopped, or killed and started again; its clock is stepped. The lanes run beside each other, so faults overlap.
//
// A step of the clock is what docent takes for sleep of the machine: the difference between CLOCK_BOOTTIME and CLOCK_MONOTONIC, which a worker's
// client reads from the worker. Docent does not use the wall clock on Linux.
//
// # The intervals of a holder
//
// A holder looks at its context, works for some milliseconds, and looks again. The time is read before each look and after each piece of work:
//
//	granted      look     work     look     work
//	---|----------a--------b--------a--------b------
//
// If the look that follows a was positive, the context was alive at a: a context that has ended stays so. So two intervals from
// a grant to the latest such a that overlap are two holders at one time, however slowly these processes run. That must not happen.
//
// The last b can be later than the next grant: the process was stopped during its work. Such an overlap has a cause, and the cause
// is measured. The gap between a and b must be longer than the trust margin, otherwise the overlap is a violation.
//
// # Oracles
//
//   - Mutex, readers and writers, several locks, election: no two holders that exclude each other, and tokens that grow. Semaphore: no more
//     permits than the limit.
//   - Guarded writes go to a register for each lock. Its version counts them: every acknowledged write has a version of its own, tokens grow with
//     versions, and versions agree with real time. A version that no acknowledgement names belongs to a write of unknown outcome. The servers'
//     transaction logs are read after the run. They must agree, and they say whose write such a version is.
//   - Counters: every acknowledged sum is returned once, sums agree with real time, and the end is what was acknowledged and at most what is unknown more.
//   - Double barriers: nobody enters before every member has called Enter. Gates: Wait does not return while the gate is closed throughout the call.
//   - Caches and groups: what a worker has written is there after Sync, and nothing goes back to an older state. Picks never fail,
//     because one instance is always there. Observers see tokens that grow.
//   - When the faults have stopped, every recipe succeeds once more in every worker.
//   - When the workers have let go of everything, the nodes that are left are those that are kept, with the data that was set last. When they have closed
//     their clients, no ephemeral node is left.
//   - porcupine judges the histories of locks, semaphores and counters, with the models of package histories.
//
// # A machine that is too busy
//
// The verdict does not depend on how fast this machine runs. Safety is judged by intervals that a slow process can only make shorter.
// Every process notes when it did not run for longer than a bound; where docs/guarantees.md makes an assumption that such a
// pause breaks, the overlap is counted under that name and is not a failure. Liveness is judged after the faults, with minutes to spare.
package chaos
