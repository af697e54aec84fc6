// Package lock is distributed mutual exclusion on ZooKeeper.
//
//	held, err := lock.New(cli, "/locks/orders").Lock(ctx)
//	if err != nil {
//		return err
//	}
//	defer held.Unlock(context.WithoutCancel(ctx))
//	return work(held.Context(), held.Token())
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
// # Fairness, cost, compatibility
//
// The queue is fair: in the order in which the servers saw the requests, across processes. A Mutex is not reentrant: a
// second Lock waits, as any other contender does. See package contend's documentation in the source for the cost in
// requests. Names and layout are those of Apache Curator's InterProcessMutex, which excludes docent and is excluded by it,
// as is go-zookeeper's zk.Lock.
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
