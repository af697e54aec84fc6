// Package counter provides shared values on ZooKeeper: bytes with a version, and integers that many processes increment and decrement.
//
//	hits := counter.NewInt(cli, "/counters/hits")
//	total, err := hits.Add(ctx, 1)
//
// A [Value] is the data of one node, and an [Int] is a Value in the formats of Apache Curator. Both have methods to read, set, compare and
// set, update with a function of the old value, and follow the value.
//
// # Exactly once
//
// If the reply to a write is lost, the write may or may not have been applied. The node alone cannot decide: somebody else may have written
// the same bytes, or other bytes since. A client that retries may count twice, and a client that does not may fail to count
// (CURATOR-584). docent therefore gives each Value a second node beside the data, the receipt. Every write is one transaction:
//
//	set receipt  if it has version r      -> r+1, with the number of the write
//	set value    if it has version v      -> v+1
//
// All attempts of one write require the same version r of the receipt. So the servers apply at most one of them, even if the network
// delays some and delivers them late. When a reply is lost, the client writes an empty receipt on the same condition:
//
//	                          set receipt if it has version r, to nothing
//	reply lost ----------------------------------------------------------------+
//	                                                                           |
//	   applied: the write was not applied and never will be: try again <-------+
//	   refused: the receipt names the write that was applied: done, if it <----+
//	   is this one                                                             |
//	   no receipt: the servers have removed it, and the write can no longer <--+
//	   be applied; it was not applied if the value is unchanged; otherwise
//	   ErrOutcomeUnknown
//
// The receipt is a container node below the value's node, kept by an ephemeral node inside. When a session is lost, the receipt stays until
// the servers remove empty containers (every minute, unless znode.container.checkIntervalMs says otherwise). So the outcome is known even
// if the session is lost together with the reply. A process that ends or crashes leaves only a container, which the servers
// remove. (A process that crashes between its first two requests leaves an empty container that was never used. Servers keep such
// containers unless znode.container.maxNeverUsedIntervalMs is set.) On servers without containers, the receipt is a persistent node. It
// stays behind if a process ends without [Value.Close].
//
// The first write creates the receipt, which belongs to its Value or Int. Create one Value or Int for each path and keep it. If a program
// creates one for each write, receipts accumulate until the session ends. A program that uses many values for a short time
// closes each with [Value.Close].
//
// A write returns framework.ErrOutcomeUnknown in two cases: ctx ends while the outcome is unknown, or the client was disconnected for so
// long that its receipt was removed while others wrote. The write is never applied a second time. [WithoutReceipt] omits the receipt, for
// trees where its two nodes or their permissions are unwanted. Then the write returns ErrOutcomeUnknown whenever its reply is lost
// and it may have been applied.
//
// # Values and versions
//
// A node that does not exist reads as the seed ([WithSeed]; 0 for an Int), with version [NoVersion]. Reading creates nothing. The first
// write creates a persistent node with the seed, so no other client sees an empty node. Null data reads as empty. In an Int, null or empty
// data reads as 0.
//
// Versions are ZooKeeper's: they count the writes to a node since its creation. A node that is deleted and created again starts
// at 0, so compare versions only for the same node.
//
// # Following
//
// [Value.Changes] and [Int.Changes] deliver the present state and later ones. Intermediate states are skipped if the reader is slow, or if
// writes come faster than watches can be set. The last state is never skipped. After a disconnection and in a new session the value is
// read again, behind a sync, so a lagging server cannot take the reader back. A state is delivered only once. The
// policy is Hold for SUSPENDED and Rebuild for LOST.
//
// # Order and contention
//
// Writes through one Value or Int run one after the other inside the process, without requests. Between processes they are
// optimistic: a write that conflicts with another one is retried with the new value, after a growing pause with jitter, up to
// 200 ms. It is retried until ctx ends. Every write that returns no error took effect at one moment between its call and its return. A read
// shows what its session has written or read before, or something newer. Like every read of ZooKeeper it may not show the latest writes
// of others yet. In a new session it may not even show this client's own writes. To see all writes, call Sync of the
// [framework.Client] first.
//
// # Cost
//
//	                        requests, one after the other
//	Get                     1
//	Set, Update, Add        2 (get, multi)          and 2 for each conflicting write
//	CompareAndSet           1 (multi); Int 2 (get, multi)
//	first write             2 more (receipt and its keeper), 1 more in each new session; and 2 if the value is not there yet
//	reply lost              1 more and the write again, if it was not applied; 3 more if it was
//	Changes                 2 (sync, get), then 1 event and 1 request (get) for each state
//
// Curator's DistributedAtomicInteger also needs two requests (get, set), without these guarantees.
//
// # Formats
//
// An Int is 4 bytes, big-endian, as in SharedCount, DistributedAtomicInteger, and kazoo's Counter with support_curator. [Long] makes it 8
// bytes, as in DistributedAtomicLong. If the data has another length, reads and writes return [ErrWidth] and leave it unchanged. (kazoo's Counter in
// its own format is decimal text. Text of 4 digits would be read as a number of 4 bytes.) A number that does not fit returns
// [ErrOverflow]; numbers never wrap around. Receipts are children of the value's node. Readers of the value do not see receipts, but caches of
// the tree above do. Deleting a value means deleting its children as well.
package counter
