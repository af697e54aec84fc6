// Package contend is the queue and the claim behind locks and elections.
//
// Each contender adds an ephemeral sequential node, its place, to one directory. The contender with the oldest node holds the claim. The others watch only the
// nodes just ahead of their own, so a release does not notify all of them. In a queue in which several contenders can hold at once, [Queue].Yield says for
// which nodes a place waits. Each contender watches the nearest of these nodes, so a release notifies only contenders that may acquire.
//
//	enter           not its turn         predecessor gone; lists again if necessary
//	------> listed ------------> waiting -----------------------------+
//	          |   ^                 |                                 |
//	          |   +-----------------|---------------------------------+
//	          | its turn            | ctx, session, panic
//	          v                     v
//	        held                 withdrawn (its node is removed, in the background if necessary)
//	          |
//	          | Release, or the end of its context: released, suspended, untrusted, lost, deleted, closed
//	          v
//	         over
//
// In a [Pool], the contenders with the oldest few nodes of a directory hold. The other contenders wait in a separate queue. A [Bundle] combines several
// claims of one session.
//
// # Twins
//
// Clients that look for different names do not see each other's nodes. A place can therefore consist of several nodes
// ([Queue].Twins), one for each kind of name. One transaction creates them, with consecutive numbers, the same GUID and the same czxid. They are watched,
// checked and exchanged together, and one transaction deletes them. The place waits for every lower competing node that is not its own. If
// somebody else deletes one of the twins, the place is lost, or the claim ends, and the others are deleted.
//
// Twins must be created in one transaction. If they were created one after the other, a contender could come between them. It would wait for the first twin,
// and the second twin would wait for it: a deadlock.
//
// The directory of twins is persistent, and not a container: kazoo remembers that it has created a directory, and fails if the servers have removed
// it. If somebody else has created the directory as a container, it stays a container.
//
// # Turns
//
// Several holders in this process can have a claim one after the other, each for one [Turn], without a request to the servers. The claim is handed over only while
// it is valid, and only when no request of the earlier turn can still reach the servers.
//
// # Guarantees
//
//   - A [Claim] is granted only for a node of the session that it is bound to: the node's ephemeralOwner is checked, and a
//     node of a dead session is never taken over (CURATOR-498, CURATOR-604).
//   - The claim's context ends before the servers can grant the claim to somebody else, under the assumptions of package
//     framework's TrustedUntil; the cause says why.
//   - The token of a claim is 256 times its node's czxid, plus the number of the turn. Contenders that exclude each other are granted in the order in which their
//     nodes were created. So tokens grow from holder to holder, for the life of the ensemble, even if the directory was removed and its sequence numbers
//     began again. A claim that was exchanged keeps its token and its place.
//   - A contender that leaves the queue, by error, cancellation or panic, leaves no node behind while its session lives.
//   - The node stays until Release, even if the context has ended earlier. So nobody overtakes a holder that is slow to stop, while its session lives.
//
// # Strict queues
//
// A queue is Strict ([Queue].Strict) if no new node can get ahead of an existing place: numbers grow, nodes are not exchanged for others with
// the same number, and a transfer only deletes nodes. The queues of mutexes and of semaphores' turns are. Read/write locks are not, because a
// downgrade creates a node with an old number. Elections do not use the following, because a transfer deletes the nodes of waiters, and an event
// that a server fails to send would let such a waiter lead for a moment. Twins do not use it either.
//
// In a Strict queue, one list shows all nodes that can ever be ahead of a place. A place watches its own node and the two nearest nodes ahead,
// and knows from their events alone that its turn has come. The conditions are in turnWatcher. A transaction that deletes several nodes must
// delete the nodes of waiters before those ahead of them, as [Claim.Pass] does: the events come in that order.
//
// Of several places of one session only the first that waits does so. The others wait for it inside the process (line), and then share one
// list: it serves every place that was created before the list was requested.
//
// # Cost
//
// An uncontended acquire is one round trip of two requests (create and list together), a release one request. If nothing
// else happens on the servers between a release and the next acquire, the [Trail] shows that nobody else is in the queue, and the list is
// skipped. A waiter sets three watches with one request, and lists once more ahead of its turn if more than two are ahead of it. A hand-over is the
// release and one event. Waiters of one client set three watches in total. Each costs a create and, when it becomes the first of them,
// one request. A waiter that waits for longer than 20 ms reads the three nodes, because servers check no ACL when that request sets a watch.
// If a waiter's number follows that of a claim of the same client, and that claim is released within 20 ms, the waiter costs a create and a read of its node,
// which is sent together with the release.
//
// In a queue that is not Strict, a waiter watches its predecessor, and a hand-over is the release, one event and one list.
//
// A claim that did not wait watches its own node only once it has been held for a moment, so that short critical sections do not pay for
// it. Twins cost the same in requests and round trips (a multi instead of the create and of the delete), except that a claim watches each
// of its nodes.
//
// All contenders must be allowed to read each other's nodes, because they watch them.
package contend
