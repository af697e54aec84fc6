// Package cache keeps a copy of a part of ZooKeeper's tree in memory and reports whether the copy is up to date.
//
//	tree, err := cache.Open(ctx, cli, "/config")       // a node and everything below it
//	dir, err := cache.OpenChildren(ctx, cli, "/hosts") // a node and its children
//	cfg, err := cache.OpenValue(ctx, cli, "/config/app", cache.JSON[App]())
//	defer tree.Close()
//
// # States
//
//	         everything has been read                         SUSPENDED, LOST
//	loading ----------------------------------> fresh ----------------------------> stale
//	   Open returns, Synced() is closed           ^     still served, with StaleSince |
//	                                              |                                   |
//	                                              +-----------------------------------+
//	                                                connected again, and all changes made
//	                                                meanwhile are in the cache
//	any state -- Close, or the end of the client --> closed; the contents can still be read
//
// Open waits until the cache is fresh for the first time, or until ctx ends. With [NoWait] it returns at once. The policy is Hold for
// SUSPENDED and Rebuild for LOST: a cache keeps its contents while the servers cannot be reached. With a read-only server
// ([framework.Config.ReadOnly]) the cache stays stale. If it was never complete, it loads what that server has. StaleSince reports since
// when the servers have been away. A caller that must not act on old data uses [Tree.Fresh] instead of [Tree.Snapshot]; Fresh returns an
// error while the cache is stale. [Tree.WaitFresh] waits until the cache is fresh. [Tree.Sync] waits until the cache has everything that
// was committed before the call.
//
// # Guarantees
//
//   - Every node in the cache is a state that this node had on the servers. No node goes back to an older state, whichever server the
//     session is on. When changes stop and the cache is fresh, it equals the tree on the servers, with two exceptions. Nodes listed in
//     Refused could not be read. A node that changed while the client was not allowed to read it may be out of date after the client is allowed again:
//     servers since ZooKeeper 3.8.4 and 3.9.2 send no events for nodes that the client may not read. The cache keeps the former
//     state until the next event for that node.
//   - A node that one transaction deletes and creates again is never absent: no Snapshot lies between its Removed and its Added.
//     ZooKeeper's events do not say whether a deleted node was replaced, so the cache removes the node only when a later read has not found
//     it. If the node is replaced together with nodes below it, the cache shows the former nodes until the new ones are read. If nodes are
//     replaced repeatedly, faster than they can be read, the cache shows what it knows of them after 10 s.
//   - The cache starts over if the data of the servers was replaced, for example restored from a backup. It shows its former contents until
//     the new data is complete. Then it reports Removed for all former nodes, and Added for the new ones. In a new session the cache notices
//     that transactions which it has seen are missing, even if the servers have reused their numbers.
//   - If an event is lost, the cache notices the change within 10 session timeouts, with a jitter of 20 %. Refresh reads everything at once.
//   - Nodes of one [Snapshot] may show different moments, because ZooKeeper cannot read a subtree at one moment. Changes
//     of one node appear in their order. Changes of different nodes may appear in another order than they were made. States of a node
//     between two reads are skipped, but the last state never is.
//   - A child is in the cache only together with its parent. A node that was deleted and created again is reported as Removed and Added,
//     with everything below it, even if this happened during a disconnection (CURATOR-391): its czxid is different. A node is
//     reported as Changed when its mzxid is different. Unchanged nodes are not reported.
//   - A node that cannot be read (framework.ErrNoAuth, a reply over MaxReplySize, data that is not gzip) keeps its former state in the
//     cache. It is reported, listed in Refused, and tried again after growing pauses of up to a minute. If it needs a larger MaxReplySize,
//     it is tried again only in the next session, because each attempt transfers the whole reply. Its siblings are unaffected.
//   - A Stat is as of the read of its node. Its counts of children (Cversion, NumChildren, Pzxid) are as of the latest list, and may be
//     older than the children in the cache.
//
// # Reading
//
// Reads take no lock and never wait. They return data that is shared with the cache and must not be modified. A change to a node copies the
// path from the root to that node, about 60 B times the logarithm of the size of each directory on the path. It does not copy the
// directories. Changes that are read in one request appear together, and share these copies.
//
// # Events
//
// A channel of [Tree.Events] begins with Added for every node in the cache, and then delivers the changes. A reader that applies
// them in order has the contents of the cache. Each listener has its own queue, so a slow listener delays only itself. When
// [QueueBound] steps are queued, further ones are merged: the listener gets [Lagged], with the number of merged steps, and then the exact
// difference between the last step that it got and the cache. So it may miss intermediate states, but not the outcome.
//
// # Requests
//
//	                    one-shot watches                      one recursive watch
//	initial load        nodes + nodes with children, many in one request (with one-shot watches: and a setWatches)
//	node created        1 list of its parent + get + list     get
//	node changed        get                                   get
//	node deleted        1 to 3 lists of its parent            get, or less if many are deleted at once
//	reconnect           1 sync + setWatches                   get + 2 per 128 KiB of paths (setWatches) + what has changed
//	new session         a check of each node + what has changed   get + 2 per 128 KiB of paths (setWatches) + what has changed
//	10 timeouts         a check of each node                  2 per 128 KiB of paths (setWatches) + what has changed
//	Refresh             as the initial load                   as the initial load
//
// A check reads nodes of at most 256 B, many in one request, and asks for the Stat of larger ones (exists). Changes that come in quick
// succession share their lists. Data is transferred again only if it has changed, or is at most 256 B long.
//
// # Batches
//
// Servers since ZooKeeper 3.6 can read many nodes and lists in one request (multiRead). A request has up to 256 reads and about 64 KiB of
// replies. While the cache loads, catches up or serves a Sync, it has up to four requests outstanding. Otherwise it has one, and after each
// request it waits eight times as long as the request took, at most 5 ms, while further reads are collected. So a node that changes alone
// is read at once, and a stream of changes does not overload the server: 5,000 nodes that change together take fewer than a hundred
// requests.
//
// With one-shot watches, a read of many nodes is two requests in one write: a multiRead, and a setWatches. The setWatches sets the
// watches on all of these nodes and on their lists of children, and reports at once what has changed since the multiRead. On servers that
// lack one of the two requests, each node is read and each directory listed by a request of its own, which also sets the watch. A directory
// is any node that may have children and is not at the limit of [Depth].
//
// A node is read by itself if it has more than about 16 KiB, or if the servers refused to read it. The size of a node that has not been read
// yet is estimated from nodes that were read earlier. At most 31 nodes without a sibling in the cache share one request. If the servers
// refuse to read one node of a batch, that node is read again by itself. If the reply to a batch exceeds MaxReplySize, or the batch
// fails for another reason, each of its nodes is read by itself. A cache with [StatsOnly] does not use multiRead, because multiRead
// transfers the data.
//
// # Deletions
//
// Deleted nodes are read from the top: nothing below an absent node is read. If 16 children or more of one node may be deleted, and they are
// at least an eighth of all its children, one list finds them all. 10,100 nodes in 100 directories took 4 requests when they were
// deleted in one transaction, 104 requests in transactions of 100, and at most one each when they were deleted one by one. Without
// multiRead the figures are 165, 3,254, and one each.
//
// # Reconnecting and checking
//
// A cache with a recursive watch knows up to which transaction it is complete. After a reconnect, and in a new session, it asks the servers
// which nodes have changed since then (see [framework.Session.ChangedSince]). The question contains each path once, or twice if its
// children are cached as well: for 50,000 idle nodes it is 2.9 MB in 50 requests, with a few KB of replies. If the servers cannot answer it,
// and in caches of a few nodes, each node is checked (exists), and directories that have changed are listed again.
//
// The question leaves one-shot watches on all nodes that have not changed. These stay until their nodes change or the connection ends. They
// cost the server as much as the watches of a cache that uses only one-shot watches: two on each node, about 300 B each on ZooKeeper
// 3.8. They do not cause a second event. The same question is asked every 10 session timeouts, and finds changes whose events were lost.
// A cache of fewer than 16 nodes checks each of them instead and leaves no watches.
//
// The get before the question makes sure that the servers still have the transactions that the cache has seen. It reads the node that
// changed last. If that node has changed since, it reads the 2nd, the 4th, the 8th before it, and so on, until it finds a node that has not.
//
// With one-shot watches, a cache has to read each node in a new session to set its watch. After a reconnect, only the watches of nodes
// that were read are set again. A check also replaces watches that a server has lost.
//
// # Kinds of watches
//
// A [Tree] and [Children] use a recursive watch if the servers have it (ZooKeeper 3.6), and one-shot watches otherwise or with
// [OneShot]. A [Value] uses a one-shot watch. The kinds differ in cost, and in one more point. Servers send no events of a recursive watch for nodes
// that the client may not read (CVE-2024-23944). So with a recursive watch:
//
//   - A node that the client may not read when it is created is unknown, and not in Refused, until the cache next checks the parent.
//   - A change made while the client may not read the node is unknown, even after the client may read it again, until the node
//     changes or is checked. The question above is not enough if the cache has seen later changes elsewhere.
package cache
