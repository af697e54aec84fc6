// Package lock provides distributed locks on ZooKeeper.
//
//	held, err := lock.New(cli, "/locks/orders").Lock(ctx)
//	if err != nil {
//		return err
//	}
//	defer held.Unlock(context.WithoutCancel(ctx))
//	ctx, stop := held.Bind(ctx) // ends with the lock, and with the caller's ctx
//	defer stop()
//	return work(ctx, held.Token())
//
// # Holding a lock
//
// Lock returns a [Held], which stands for one acquisition. Its context ends as soon as the lock can no longer be relied on, and the cause
// says why: the lock was released, the connection was suspended (unless [Hold] is set), the session was lost, the node was deleted, or the
// client was closed. Under the assumptions of [framework.Session.TrustedUntil], the context ends before anybody else can get the lock.
//
// A context only knows what the local clock knows, and a process can be stopped between checking the context and acting on it. Two things
// protect a write even then. A resource that refuses tokens older than the newest one it has seen is protected by the fencing token,
// [Held.Token]. Data in the same ZooKeeper is protected by [Held.Multi], which the servers apply only if the lock is still held.
//
// # States
//
//	         create node                first in queue
//	Lock ----------------> waiting ------------------> held --Unlock--> released
//	                        |  ^  SUSPENDED: keeps its   |
//	             ctx ends,  |  |  place                  +--> SUSPENDED: over (Hold: held until trust or grace ends)
//	             wait limit |  |  LOST: queues again     +--> LOST, node deleted, client closed: over
//	                        v
//	                      error, node removed
//
// When a Held is over, the Mutex can be locked again at once. The node of the Held stays until Unlock is called or its session ends, so
// nobody overtakes a holder that is slow to stop while its session lives. Always call Unlock, and call it before the client is closed.
//
// # Fairness and compatibility
//
// The queue is fair: contenders of all processes get the lock in the order in which the servers received their requests. A Mutex is not
// reentrant: a second Lock waits like any other contender. Names and layout are those of Apache Curator's InterProcessMutex, so docent and
// Curator exclude each other. The same is true for go-zookeeper's zk.Lock. kazoo uses other names and does not see these locks, unless
// [Shared] is set.
//
// # Sharing a lock with Curator, kazoo and zk.Lock
//
// With [Shared], each place in the queue consists of two nodes with consecutive sequence numbers, created and deleted in one transaction:
//
//	                Curator, zk.Lock               kazoo
//	Mutex, Multi    _c_<GUID>-lock-0000000004      _c_<GUID>-__lock__0000000005
//	RWMutex, write  _c_<GUID>-__WRIT__0000000004   _c_<GUID>-__lock__0000000005
//	RWMutex, read   _c_<GUID>-__READ__0000000004   _c_<GUID>-__rlock__0000000005
//
// Each of these libraries sees one node of the pair, at the right place in its own order. docent waits for all lower nodes of either form.
// If either node is deleted, the Held ends. Locks of docent with and without Shared use the same queue and exclude each other. Curator and
// kazoo still do not exclude each other on that path: no node that docent creates can make them see each other's nodes.
//
//   - All of docent's contenders on the path should use Shared, because kazoo does not wait for contenders without it.
//   - With Shared, docent creates the directory as a persistent node instead of a container, and it stays. kazoo remembers that it has
//     created the directory, and fails if the servers have removed it. Curator creates a container, and docent does not change it. So
//     create the directory in advance if Curator and kazoo share a path.
//   - The ReadLock of kazoo 2.8 waits for every writer in the directory, even for a writer behind it. That writer waits for the reader: a
//     deadlock (python-zk/kazoo#650, fixed in 2.9). It happens with docent's writers as well as with kazoo's own.
//   - zk.Lock parses every child of the directory. It fails if a name does not end in a number after "lock-" or "__". It then leaves its own
//     node behind, which blocks the queue until its session ends. Keep other names out of the directory, especially those of
//     Curator's LeaderLatch ("latch-").
//   - Curator lists both nodes of a pair as participants (getParticipantNodes). kazoo and docent list one.
//   - Each place takes three sequence numbers. Sequence numbers have 32 bits, and no other client orders them correctly after they wrap.
//   - A recursive watch on the directory also sees a node "_c_<GUID>-stamp", which is created and deleted in the same transaction. docent
//     reads the transaction id from it, which is the token.
//
// # Hand-over inside a process
//
// With [LocalHandover], all goroutines that lock one Mutex value share one place in the queue. Unlock hands the lock to the next of these
// goroutines, without a request. The time in which one goroutine has the lock is a turn. After n hand-overs the node is deleted, and the
// waiting goroutines queue again behind the contenders of other processes. This happens even if nobody else is queued, because docent does
// not watch the queue; n bounds how long others can be kept waiting. A larger n costs fewer requests and lets others wait longer.
//
// Each goroutine gets its own [Held]. The lock is handed over only while the node exists and the session is trusted. If the claim
// ends, the current turn ends too, and the waiting goroutines acquire the lock again. They do not wait for the Unlock of the last turn if
// its session is over. A lock that somebody has asked for ([Mutex.Revoke]) is not handed over.
//
//   - Token: the czxid of the node times 256, plus the number of the turn. A lock without the option has the token of the first turn. So
//     tokens grow from turn to turn and from process to process, no matter who uses the option.
//   - Guarded writes: after a turn has ended, [Held.Multi] of that turn fails, even though the node still exists. The servers can only
//     check the node, so they cannot tell turns apart. If the outcome of a write is still unknown when its turn ends, or if [Held.Check] was
//     called in the turn, the lock is therefore not handed over: its node is deleted, and every write that refers to it fails. Writes
//     that were answered cost nothing extra. (A version counted up at each hand-over would have the same effect, but costs one
//     round trip each time, which is half the cost of releasing and acquiring through the servers.)
//
// # Cost
//
// The table gives requests and round trips, as counted by the test server (TestCosts), for a lock that is free and a directory that exists:
//
//	                                   acquire                        release
//	Mutex, RWMutex                     2 (create, list)  1 trip       1 (delete)  1 trip
//	Mutex, repeatedly                  1 (create)        1 trip       1           1 trip
//	the same, Shared                   2 (multi, list)   1 trip       1 (multi)   1 trip
//	TryLock                            3                 2 trips      1           1 trip
//	Semaphore, 1 permit                3                 2 trips      1           1 trip     Curator's V2: 5 and 1 requests
//	Semaphore, 3 permits               5                 3 trips      3           3 trips
//	Multi, 2 paths                     4                 2 trips      2           2 trips
//	Downgrade                          2                 2 trips
//	hand-over to another process       1 (delete)        1 trip
//	hand-over inside the process       0
//	the same after the n-th            3                 2 trips
//
// "Repeatedly" means at least the tenth time in a row, if nothing else was written on the servers between a release and the next acquire.
//
// A waiting Mutex watches its own node and up to two nodes ahead of it, with one request. If it waits for longer than a moment, it reads
// each of these nodes once. If more than two nodes are ahead, it lists the directory again before its turn. Of several goroutines of one client, only the
// first one in the queue does this. The others cost only their create until they are first. An RWMutex, and a lock with Shared,
// watches one node, and each hand-over costs one more list. A Held that lasts longer than a moment watches its own node, which costs one
// more request, or two with Shared.
//
// # Kinds of locks
//
//   - [Mutex] has one holder.
//   - [RWMutex] has many readers or one writer, in one fair queue. A writer can become a reader without a gap.
//   - [Semaphore] has a limited number of permits. Several permits can be acquired in one step, and the limit can be shared and changed.
//   - [Multi] combines the mutexes of several paths.
//
// [Do] runs a function while it holds a lock. [Mutex.Revoke] asks a holder to release its lock. A holder learns of such a request from
// [Held.Revoked] or [OnRevoke].
package lock
