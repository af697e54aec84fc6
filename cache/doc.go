// Package cache mirrors a part of ZooKeeper's tree in memory and says how fresh the mirror is.
//
//	tree, err := cache.Open(ctx, cli, "/config")       // a node and everything below it
//	dir, err := cache.OpenChildren(ctx, cli, "/hosts") // a node and its children
//	cfg, err := cache.OpenValue(ctx, cli, "/config/app", cache.JSON[App]())
//	defer tree.Close()
//
// # States
//
//	         everything that there was is read                SUSPENDED, LOST
//	loading ----------------------------------> fresh ----------------------------> stale
//	   Open returns, Synced() is closed           ^     serves on, says since when    |
//	                                              |                                   |
//	                                              +-----------------------------------+
//	                                                connected again, and everything that has
//	                                                changed meanwhile is in the cache
//	any state -- Close, or the end of the client --> closed; what was read can still be
//
// Open waits for the first state fresh, within ctx; with [NoWait] it returns at once. The policy is Hold for SUSPENDED and
// Rebuild for LOST: a cache never forgets what it has because the servers are away. With a read-only server ([framework.Config.ReadOnly]) it
// stays stale; a cache that was never complete loads what that server has. StaleSince says since when the servers are away;
// whoever must not act on old data asks for [Tree.Fresh], which refuses while the cache is stale, instead of
// [Tree.Snapshot]. [Tree.WaitFresh] waits, and [Tree.Sync] brings in everything that was committed before it was called.
//
// # What is promised
//
//   - Every node in the cache is a state that this node had, and none goes back to an older one, whatever server a
//     session is on. When changes stop and the cache is fresh, it equals the servers' tree, but for what is in
//     Refused, and for a node that the client might not read when it was changed, and may read again: servers since
//     ZooKeeper 3.8.4 and 3.9.2 tell nobody of nodes that he may not read, and so it stays what it was until the cache is
//     told of it again.
//   - A node that one transaction deletes and creates again is never absent: no Snapshot lies between its Removed and its Added.
//     Events of ZooKeeper do not say whether a deleted node was replaced, so it is Removed when a read behind the event has not
//     found it. If it is replaced together with nodes below it, the former nodes are shown until the new ones are read. If it is
//     replaced again and again, faster than they can be read, they are shown as far as they are known after 10 s.
//   - A cache begins again when the servers' data was replaced, as when it was restored from a backup. It shows what it had until the
//     new data is complete, then reports Removed for everything, and Added. It notices, in a new session, that transactions are
//     missing which it has seen, even if the servers count others under the same numbers.
//   - An event that never comes is made up for within 10 session timeouts, with a jitter of 20 %. Refresh reads everything at once.
//   - Nodes of one [Snapshot] may be of different moments: ZooKeeper cannot read a subtree at one moment. Changes
//     of one node appear in their order; of changes to different nodes the later may appear first. States of a node between
//     two reads are skipped, the last never is.
//   - A child is in the cache only together with its parent. A node that was deleted and created again, even while the
//     cache was away, is reported as Removed and Added, with all that is below it (CURATOR-391): the two are told apart
//     by their czxid. A node is reported as Changed when its mzxid is another. What has not changed is not reported.
//   - One node that cannot be read (framework.ErrNoAuth, a reply over MaxReplySize, data that is not gzip) is left as it
//     was, reported, listed in Refused, and tried again, ever less often, down to once a minute; what needs a larger
//     MaxReplySize only in the next session, because each try brings the whole reply. Its siblings do not suffer from it.
//   - A Stat is as of the read of the node. Its counts of children (Cversion, NumChildren, Pzxid) are as of the latest
//     list, and may be older than the children in the cache.
//
// # Reading
//
// Reads take no lock and never wait. What they see is immutable, and so must remain: Data is shared with the cache. One
// change copies the way from the root to its node, about 60 B times the logarithm of the size of each directory on it, and
// not the directory. Changes that are read in one request are shown together, and copy what they have in common once.
//
// # Events
//
// A channel of [Tree.Events] begins with Added for every node of the present, and then gives the changes: whoever applies
// them in order has what the cache has. Each listener has a queue of its own, and a slow one delays only itself. When
// [QueueBound] steps wait for it, further ones are merged: it gets [Lagged], with their number, followed by the exact
// difference between what it saw last and the cache. So it may miss states in between, never the outcome.
//
// # Requests
//
//	                    one-shot watches                      one recursive watch
//	initial load        nodes + nodes with children, many in one request (with one-shot watches: and a setWatches)
//	node created        1 list of its parent + get + list     get
//	node changed        get                                   get
//	node deleted        1 to 3 lists of its parent            get, or less if many are deleted at once
//	blip, same session  1 sync + setWatches                   get + 2 per 128 KiB of paths (setWatches) + what has changed
//	new session         a look at each node + what has changed    get + 2 per 128 KiB of paths (setWatches) + what has changed
//	10 timeouts         a look at each node                   2 per 128 KiB of paths (setWatches) + what has changed
//	Refresh             as the initial load                   as the initial load
//
// A look reads nodes of at most 256 B, many in one request, and asks for the Stat of larger ones (exists). Changes that come close together
// share their lists. Data is transferred again only when it has changed, or is at most 256 B long.
//
// With one-shot watches a read of many nodes is two requests in one write: the multiRead, and a setWatches that sets the watches on all of
// these nodes and on their lists of children, or tells at once what has changed meanwhile. On servers that lack one of the two, each
// node is read by itself, and each directory listed, which sets its watch. A directory is any node that may have children and is not at the
// limit of [Depth].
//
// Many nodes and lists are read in one request on servers that can do that (multiRead, ZooKeeper 3.6). A request has up to 256 reads
// and about 64 KiB of answers. While the cache loads, catches up or serves a Sync, four requests are under way. Otherwise there is one,
// and the next one waits eight times as long as it has taken, 5 ms at most. Further reads gather meanwhile. So a node that changes alone
// is read at once, and a stream of changes leaves the server its time: 5,000 nodes that change together take less than a hundred requests. A node
// is read by itself if it has more than about 16 KiB, or if it was refused.
// How large a node is that has not been read yet is estimated from those that were read before it. No more than 31 nodes share a request
// that have no sibling in the cache yet. If the servers refuse to read a node of a batch, that node is read again by itself. If the answer to a batch is longer
// than MaxReplySize, or the batch fails otherwise, each of its nodes is. A cache with [StatsOnly] does not use multiRead, which would
// transfer the data.
//
// Deleted nodes are looked for from the top: below a node that is absent nothing is read. As many as 16 children of one node are looked
// for in one list, unless they are less than an eighth of all. 10,100 nodes in 100 directories took 4 requests when they were
// deleted in one transaction, 104 in transactions of 100, and one each, at most, when they were deleted one by one. Without multiRead
// it is 165, 3,254, and one each.
//
// With a recursive watch a cache that knows up to which transaction it is complete asks the servers what has changed since
// then (see [framework.Session.ChangedSince]), after a blip and in a new session alike. A path is in the question twice if its
// children are cached as well: 50,000 idle nodes are 2.9 MB in 50 requests and a few KB of answers. Where the servers cannot tell,
// and in caches of a few nodes, each node is looked at (exists), and children are listed again where they have changed.
//
// The question leaves one-shot watches on all nodes that have not changed, until they change or the connection ends. They cost
// the server as much as those of a cache that uses nothing else, two on each node, some 300 B each on ZooKeeper 3.8, and tell
// nothing twice. The same question, asked every 10 session timeouts, finds changes that no event told of. A cache of fewer than 16
// nodes looks at each of them instead and leaves no watches. The get in front of the question makes sure that the servers still have
// the transactions that the cache has seen: it reads the node that changed last, then, while the node has changed since, the 2nd,
// the 4th, the 8th before it, and so on.
//
// With one-shot watches a new session has to read to set them: only what was read is set again after a blip. A look sets watches again
// that a server has lost.
//
// # Which watches
//
// A [Tree] and [Children] use a recursive watch where the servers have it (ZooKeeper 3.6), and one-shot watches elsewhere or with
// [OneShot]; a [Value] a one-shot watch. They differ in what they cost and in nothing else, but for this: what happens to nodes
// that the client may not read servers tell nobody (CVE-2024-23944), so that a node which was created so that the client may not
// read it is not known, or Refused, until the next look at its parent. Nor is what happened to a node while the client might not
// read it, once it may again, until the node changes or is looked at: that the cache asks what has changed is no such look if it
// has been told of later changes elsewhere.
package cache
