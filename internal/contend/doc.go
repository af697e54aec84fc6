// Package contend is the queue and the claim behind locks and elections.
//
// Everybody who wants something adds an ephemeral sequential node to one directory. The oldest node holds. The others watch only the nodes
// right before theirs, so a release does not wake all of them. A queue in which some can hold together says whom its places wait for
// ([Queue].Yield): each then watches the nearest of those before it, so that a release wakes only those who may go.
//
//	enter           not its turn         predecessor gone, list again if need be
//	------> listed ------------> waiting -----------------------------+
//	          |   ^                 |                                 |
//	          |   +-----------------|---------------------------------+
//	          | its turn            | ctx, session, panic
//	          v                     v
//	        held                 withdrawn (its node is removed, in the background if need be)
//	          |
//	          | Release, or the end of its context: released, suspended, untrusted, lost, deleted, closed
//	          v
//	         over
//
// A [Pool] is a directory of which the oldest few nodes hold; those who wait for it do so in turn, in a queue of its own. A
// [Bundle] ties several claims of one session together.
//
// # Twins
//
// Clients that look for different names do not see each other's nodes. A place can therefore consist of several nodes
// ([Queue].Twins), one for each of those names: created as one change, with numbers that follow each other, the same GUID and
// the same czxid; watched, checked and exchanged together; deleted as one change. It waits for every lower competing name
// that is not its own. If anybody else deletes any of them the place is lost, or the claim ends, and the rest is deleted.
//
// That it is one change is what makes it safe. Of two nodes that are created one after the other, a contender between them
// waits for the first and is waited for by the second, for ever.
//
// Twins stand in a persistent directory, which is not a container: kazoo remembers that it has made a directory and fails
// when the servers have taken that away. If somebody else has made it as a container it stays one.
//
// # Turns
//
// A claim can go through the hands of several holders in this process ([Turn]), one after the other, without the servers'
// knowing. It is handed on only while it stands and while nothing of the earlier turn can reach the servers any more.
//
// # What is promised
//
//   - A [Claim] is only given for a node of the session that it is bound to: the node's ephemeralOwner is checked, and a
//     node of a dead session is never taken over (CURATOR-498, CURATOR-604).
//   - The claim's context ends before the servers can give the place to somebody else, under the assumptions of package
//     framework's TrustedUntil; the cause says why.
//   - Its token is the node's czxid. Those who exclude each other are granted in the order of their nodes' creation, so
//     tokens grow from holder to holder, for the life of the ensemble, also when the directory was removed and its sequence
//     numbers began again. A claim that was exchanged keeps its token, as it keeps its place.
//   - Whoever leaves the queue, by error, cancellation or panic, leaves no node behind while its session lives.
//   - The node stays until Release, also when the context has ended earlier: somebody who is slow to stop is not overtaken
//     while the session lives.
//
// # Strict queues
//
// A queue is Strict ([Queue].Strict) if nobody can come in ahead of a place that exists: numbers grow, nodes are not exchanged for others with
// the same number, and a transfer only deletes nodes. The queues of mutexes and of semaphores' turns are. Read/write locks are not, because a
// downgrade creates a node with an old number. Elections do not use what follows, because a transfer deletes the nodes of waiters, and an event
// that a server fails to send would let such a waiter lead for a moment. Twins do not use it either.
//
// In a Strict queue one list shows everybody who can ever be ahead of a place. A place watches its own node and the two nearest nodes ahead,
// and knows from their events alone that its turn has come. The conditions are in turnWatcher. A transaction that deletes several nodes must
// delete the nodes of waiters before those ahead of them, as [Claim.Pass] does: the events come in that order.
//
// Of several places of one session only the first that waits does so. The others wait for it in the process (line), and then use one list
// together: it serves every place that was created before it was asked for.
//
// # Cost
//
// An uncontended acquire is one round trip of two requests (create and list together), a release one request. Where nothing
// else happens on the servers between a release and the next acquire, the [Trail] shows that nobody else is in the queue, and the list is left
// out. A waiter sets three watches with one request, and lists once more ahead of its turn if more than two are ahead of it. A hand-over is the
// release and one event. Waiters that have a client in common set three watches in all. Each costs a create and, when it becomes the first of them,
// one request. A waiter that waits for longer than 20 ms reads the three nodes, because servers check no ACL when that request sets a watch.
// One whose number follows that of a claim of the same client, which is released within 20 ms, costs a create and a look at its node that goes
// with the release.
//
// Where a queue is not Strict a waiter watches its predecessor, and a hand-over is the release, one event and one list.
//
// A claim that did not wait watches its own node only once it has been held for a moment, so that short critical sections do not pay for
// it. Twins cost the same in requests and round trips (a multi in place of the create and of the delete), except that a claim watches each
// of its nodes.
//
// All contenders must be allowed to read each other's nodes: that is how they watch them.
package contend
