// Package lock is distributed mutual exclusion on ZooKeeper.
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
// # What Lock gives
//
// A [Held] is one acquisition. Its context ends, with the cause, as soon as the lock can no longer be relied on: released,
// connection suspended (unless [Hold]), session lost, node deleted, client closed. Under the assumptions of package
// framework's TrustedUntil that is before anybody else can get the lock.
//
// That bound is a clock's word, and a process can be stopped between looking at the context and acting on it. What proves
// that a write is the holder's is the fencing token, when the resource can refuse a token older than one it has seen, and
// [Held.Multi], when what is written is in the same ZooKeeper: it is applied only if the lock is still held.
//
// # States
//
//	         queue, wait                granted
//	Lock ----------------> waiting ------------------> held --Unlock--> released
//	                        |  ^  SUSPENDED: keeps its   |
//	             ctx ends,  |  |  place                  +--> SUSPENDED: over (Hold: stays until trust or grace ends)
//	             wait limit |  |  LOST: queues again     +--> LOST, deleted, client closed: over
//	                        v
//	                      error, node removed
//
// When a Held is over, the Mutex can be locked again at once. Its node stays until Unlock, or until its session ends: a
// holder that is slow to stop is not overtaken while its session lives. So always call Unlock, and do it before the client is closed.
//
// # Fairness, compatibility
//
// The queue is fair: in the order in which the servers saw the requests, across processes. A Mutex is not reentrant: a
// second Lock waits, as any other contender does. Names and layout are those of Apache Curator's InterProcessMutex, which
// excludes docent and is excluded by it, as is go-zookeeper's zk.Lock. kazoo looks for other names and does not see them.
//
// # Shared with Curator, kazoo and zk.Lock at once
//
// With [Shared] a place in the queue is two nodes, which one transaction creates, with numbers that follow each other, and one
// transaction deletes:
//
//	                Curator, zk.Lock               kazoo
//	Mutex, Multi    _c_<GUID>-lock-0000000004      _c_<GUID>-__lock__0000000005
//	RWMutex, write  _c_<GUID>-__WRIT__0000000004   _c_<GUID>-__lock__0000000005
//	RWMutex, read   _c_<GUID>-__READ__0000000004   _c_<GUID>-__rlock__0000000005
//
// Each family finds one of them, in its own form, at the right place of its own order; docent waits for all lower ones of
// either form. If anybody deletes either node the Held ends. Plain and shared locks of docent stand in the same queue and exclude
// each other; Curator's and kazoo's do not exclude each other by that: no name that docent could write makes them see each
// other's, and only docent waits for both.
//
//   - All of docent's contenders on the path should use Shared: kazoo passes those who do not.
//   - The directory is made as a persistent node and not as a container, and so stays: kazoo remembers that it has made it and
//     fails once the servers have swept it away. Curator makes a container, which docent leaves as it is: where Curator and kazoo
//     share a path, create it beforehand.
//   - kazoo 2.8's ReadLock waits for every writer in the directory, also for one behind it, which waits for it: a deadlock
//     (python-zk/kazoo#650, corrected in 2.9), with docent's writers as with its own.
//   - zk.Lock reads every child of the directory and fails on a name that does not end in a number behind "lock-" or "__". It
//     leaves its node behind then, which holds everybody up until its session ends. So keep other names out, and above all
//     those of Curator's LeaderLatch ("latch-").
//   - Curator lists both nodes of a pair among the participants (getParticipantNodes), kazoo and docent one.
//   - A place takes three sequence numbers. They are 32 bits wide, and no other client orders them right when they wrap.
//   - Who watches the directory recursively sees, besides the pair, a node "_c_<GUID>-stamp" come and go in the same transaction,
//     from which docent reads the transaction's id, the token.
//
// # Hand-over inside a process
//
// With [LocalHandover] the goroutines that lock one Mutex value have one place in the queue. Unlock hands the lock to the next
// of them, which costs no request, until n hand-overs have been made; then the node goes, and those who wait here queue again
// behind whoever queues there. That is so also when nobody does: the queue is not watched, and n is the bound on the wait
// of others in any case. A larger n is cheaper and lets others wait longer.
//
// Each of them has a [Held] of its own. It is only handed on while it stands and is trusted: whatever ends the claim ends
// the turn of the one who has it, and those who wait get another claim, without waiting for its Unlock if its session is over. A
// claim that somebody has asked for ([Mutex.Revoke]) is not handed on.
//
//   - Token: the czxid of the node times 256, plus the number of the turn. A lock without the option has the token of the
//     first turn. So tokens grow from turn to turn and from process to process, whoever uses the option.
//   - Guarded writes: [Held.Multi] of a turn that is over is refused, although the node stands. For those that are on their way
//     when the turn ends the node is the only thing that servers can check. So the lock is not handed on when the outcome
//     of one is open, or when a [Held.Check] has been given out; the node goes instead, and with it all that refers to it. Writes
//     that were answered cost nothing. To count the node's version up at each hand-over would do the same for one round
//     trip each time, which is half of what going through the servers costs.
//
// # Cost
//
// Requests and round trips, counted by the test server (TestCosts), when nobody is in the way and the directory is there:
//
//	                                   acquire                        release
//	Mutex, RWMutex                     2 (create, list)  1 trip       1 (delete)  1 trip
//	Mutex, again and again             1 (create)        1 trip       1           1 trip
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
// Again and again means: at least the tenth time in a row, with nothing else written on the servers between an acquire and the next one.
//
// A Mutex that waits watches its own node and up to two ahead of it, with one request. If it waits for longer than a moment, it reads each of them
// once. If more than two nodes are ahead, it lists again ahead of its turn. Of several goroutines of one client only the first in the queue does so; the others cost their create until
// they are the first. An RWMutex, and a lock that is Shared, watches one node, and a hand-over costs a list more. A Held that lasts longer than a
// moment watches its own node: 1 request more, 2 with Shared.
//
// # Kinds of locks
//
//   - [Mutex]: one holder.
//   - [RWMutex]: many readers or one writer, in one fair queue; a writer can turn into a reader without a gap.
//   - [Semaphore]: a limited number of permits, several of which can be taken in one step; the limit can be shared and change.
//   - [Multi]: the mutexes of several paths as one.
//
// [Do] locks any of the first two around a function. Anybody can ask a holder to let go ([Mutex.Revoke]), and a holder can
// listen ([Held.Revoked], [OnRevoke]).
package lock
