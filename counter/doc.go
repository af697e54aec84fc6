// Package counter is shared values on ZooKeeper: bytes with a version, and integers that many processes count up and down.
//
//	hits := counter.NewInt(cli, "/counters/hits")
//	total, err := hits.Add(ctx, 1)
//
// A [Value] is the data of one node, an [Int] a Value in the formats of Apache Curator. Both are read, set, compared and
// set, changed by a function of the old value, and followed.
//
// # Exactly once
//
// A write whose answer is lost has been applied or it has not, and the node alone cannot tell: somebody else may have written
// the same bytes, or more on top. Clients that try again count twice, and clients that do not may not have counted
// (CURATOR-584). Here each Value has a node of its own beside the data, its receipt, and every write is one transaction:
//
//	set receipt  if it has version r      -> r+1, with the number of the write
//	set value    if it has version v      -> v+1
//
// The receipt's version is what makes it exact. All tries of one write ask for the same r, so the servers apply one of them
// at most, whatever networks hold back and deliver late. When an answer is lost:
//
//	                          set receipt if it has version r, to nothing
//	answer lost ---------------------------------------------------------------+
//	                                                                           |
//	   applied here: the write was not, and never can be any more: try again <-+
//	   refused: the receipt says which write it was; this one: applied <-------+
//	   no receipt: the servers have swept it; the write can not be applied any <-+
//	   more; it was not if the value is as it was before; else ErrOutcomeUnknown
//
// The receipt is a container node below the value's, kept by an ephemeral node inside. It outlives a lost session until
// the servers sweep empty containers (every minute, unless znode.container.checkIntervalMs says otherwise), and so a session
// that is lost together with the answer is no reason not to know. Nothing is left behind: a process that ends, or crashes,
// leaves a container that the servers remove. (One that crashes between its very first two requests leaves an empty one
// that was never used. Servers keep those unless znode.container.maxNeverUsedIntervalMs is set.) On servers that do not know
// containers the receipt is a persistent node, which stays behind when a process ends without [Value.Close].
//
// A receipt is made by the first write and belongs to its Value or Int: make one for each path and keep it, not one for each
// write, or they pile up until the session ends. A program that uses many for a while each gives them back with
// [Value.Close].
//
// framework.ErrOutcomeUnknown remains for a ctx that ends while the outcome is open, and for a client that was cut off for so
// long that its receipt was swept while others wrote. It is never followed by a second application. [WithoutReceipt]
// leaves the receipt out, where its two nodes or their permissions are not wanted: then every lost answer of a write that may
// have been applied is ErrOutcomeUnknown.
//
// # What a value is
//
// A node that does not exist reads as the seed ([WithSeed]; 0 for an Int), with version [NoVersion]. Reading creates
// nothing. The first write creates the node as persistent, with the seed, so that nobody meets an empty one.
// Null data reads as empty; null or empty data reads as 0 in an Int.
//
// Versions are ZooKeeper's: they count the writes to a node since it was created. A node that is deleted and created
// again counts anew, so a version compares only with versions of the same node.
//
// # Following
//
// [Value.Changes] and [Int.Changes] give the present state and later ones. A reader that is slow, or writes that come faster than
// watches can be set again, skip states in between, never the last one. After a disconnection and in a new session the
// value is read again, behind a sync, so that a lagging server does not take the reader back; a state that was given is
// not given again. Their policy is Hold for SUSPENDED and Rebuild for LOST.
//
// # Order and contention
//
// Writes through one Value or Int take turns, in the process where that costs nothing. Between processes they are
// optimistic: a write that meets another one is tried again with the new value, after a pause that grows, with jitter, up to
// 200 ms. ctx bounds it. Every write that returns without an error took effect at one moment between its call and its
// return. A read shows what its session has written or read before, or something newer; it may be behind the writes of others,
// as every read of ZooKeeper may, and in a new session behind one's own, unless a [framework.Client]'s Sync precedes it.
//
// # Cost
//
//	                        requests, one after the other
//	Get                     1
//	Set, Update, Add        2 (get, multi)          and 2 for each time that another write was faster
//	CompareAndSet           1 (multi); Int 2 (get, multi)
//	first write             2 more (receipt and its keeper), 1 more in each new session; and 2 if the value is not there yet
//	answer lost             1 more and the write again, if it was not applied; 3 more if it was
//	Changes                 2 (sync, get), then 1 event and 1 request (get) for each state
//
// That is what Curator's DistributedAtomicInteger pays, get and set, for less.
//
// # Formats
//
// An Int is 4 bytes, big-endian: SharedCount, DistributedAtomicInteger, and kazoo's Counter with support_curator. [Long] makes
// it 8 bytes: DistributedAtomicLong. Data of another length is refused with [ErrWidth] and not touched. (kazoo's Counter in
// its own format is decimal text: one of 4 digits would be taken for a number of 4 bytes.) Numbers that do not fit are refused
// with [ErrOverflow]; nothing wraps. Receipts are children of the value's node, which readers of the value do not look at; caches of the
// tree above it see them come and go. A value is deleted with its children.
package counter
