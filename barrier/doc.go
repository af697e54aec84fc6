// Package barrier makes processes wait for each other on ZooKeeper.
//
// A [Barrier] blocks all callers of Wait until somebody removes it. A [Double] lets members enter once a given number of them has arrived,
// and lets them leave once all have finished.
//
//	err := barrier.New(cli, "/barriers/migration").Wait(ctx)
//
//	in, err := barrier.NewDouble(cli, "/barriers/step-7", 3).Enter(ctx)
//	if err != nil {
//		return err
//	}
//	compute(in.Context())
//	return in.Leave(ctx)
//
// # Barrier
//
//	       Set                    Remove
//	open -------> closed (node) ----------> open, and all waiting calls return
//
// Wait returns nil if, and only if, the barrier was open at some moment after the call began. A removal is not missed, even if
// the barrier is set again at once, or if both happen during a disconnection or in another session. A waiting call owns no node, so it
// continues in the next session. Each session begins with a sync, so a lagging server cannot show the barrier open if it was closed before
// the call.
//
// # Double
//
//	                    own node created                 enough members
//	Enter ------------------------------> waiting --------------------------> inside --Leave--> leaving ---> left
//	                                        |                                   |                  |
//	            ctx ends, refused, closed:  |                   session lost,   |    ctx ends:     |  own node goes at once,
//	            error, own node removed     v                   client closed:  v    error, own    v  the lowest one's last
//	            session lost, node deleted: (out)               Context() ends (out) node removed (out)
//	            error
//
// Members are ephemeral nodes in the barrier's directory. The member that finds enough of them creates the node "ready", which opens the
// barrier for all waiting members. Leave returns when every member of the round has left or died. The last member removes its own node and "ready"
// in one transaction. After that the next round can begin, on the same path and with the same objects.
//
// The number of members is a threshold and not a limit, as in Curator: a member that arrives during a round joins it at once.
//
// # Rounds
//
// A round is identified by the czxid of its "ready". The name cannot identify it, because each round's node has the same name.
// A node belongs to a round in one of two ways:
//
//   - The node is older than "ready". Its member was waiting when the barrier was opened, or has missed the opening and will find out.
//   - The data of the node is the round's czxid. Its member arrived late. It wrote the czxid in a transaction, which also checks that
//     the node of another member exists and increments the version of "ready".
//
// A change to a round is refused if that round is over:
//
//   - The last member deletes its own node and "ready" together. "ready" must have the version that the member saw before it listed the
//     directory and found nobody else. A late member changes the version, so the last member then waits for it.
//   - A member whose node is gone never removes "ready". If the lowest member dies, "ready" stays without a round in progress.
//   - A "ready" without members lets nobody in. The member that completes the next round replaces it in one transaction, at the
//     version that the member saw, by a "ready" with another version. So it cannot replace a later one.
//
// So while a member of a round has a node, the round's "ready" exists, no other round is opened, and members that arrive join this round.
// When no member has a node, nobody can join the round any more. Neither Enter nor Leave waits for a node of another round. A process that
// is restarted while its round is in progress joins it late, and the others wait for it again. A process that is restarted after the
// round is early for the next one.
//
// Guarantees of Enter:
//
//   - Enter returns nil in two cases. In the first, this member joined, and then some member found enough members at one moment and opened the
//     barrier. In the second, the barrier was already open for an earlier set of members, and one of them is still inside.
//   - A member counts once, whatever happens to its connection. [Enter] of the same Double may leave nodes behind in an earlier session, or
//     while their removal is in progress, but they carry the same id. With [WithID] this holds across a restart of the process.
//   - A waiting member watches its own node. If somebody else deletes it, Enter returns [ErrDeleted].
//   - If Enter returns an error, its node does not stay while the session lives. The others may have been let in before the error. They
//     counted a member that is gone, and Leave does not wait for it.
//
// A member that dies counts until the servers end its session, because ZooKeeper cannot see the death earlier.
//
// Children that no member has created, judging by their names, are ignored.
//
// [Entered.Context] ends when the session is lost, with framework.ErrSessionLost as its cause. For the others, this member has left
// then. The context survives SUSPENDED. It does not prove exclusion, and need not: a barrier does not exclude anybody.
//
// # Cost
//
//	                       requests, one after the other         events
//	Barrier.Wait           2 (sync, get)                         1 if it was closed
//	Barrier.Set, Remove    1                                     1 to each waiting call
//	Enter, waiting         5 (exists, create, children, exists   1
//	                       of the own node, exists)
//	Enter, the last one    5 (exists, create, children, create   1
//	                       ready, exists)
//	Enter, late            5 (exists, create, children, multi,   1
//	                       exists), and exists for each member
//	                       until one of that round is found
//	Leave                  4 (children, get, delete, children)   2, and 1 if it has waited
//	Leave, the lowest      2 (children, multi), and get and      1 for each member that is
//	                       children for each still inside        still inside
//
// Missing parents cost more the first time. Each member gets one event when the barrier opens, and one when the
// lowest member leaves, so the number of requests of a round is proportional to the number of members.
//
// # Other languages
//
// The layouts are those of Apache Curator's DistributedBarrier and DistributedDoubleBarrier, and of kazoo's Barrier and DoubleBarrier.
// Members of all three libraries can share one barrier. The guarantees above hold for docent's members. The other libraries differ
// as follows, as seen in Curator 5.4 and kazoo 2.8:
//
//   - They take any "ready" for an open barrier. They count nodes and not ids: every child of the directory is a member for them.
//   - They remove "ready" by its name: kazoo when the first of its members leaves, and Curator sometimes before the last one has
//     left. A waiting docent member enters because of the event all the same. It can miss the opening only if it is disconnected at that
//     moment. It then waits until its ctx ends, while the others wait for its node.
//   - Their nodes do not record that they arrived late. Leave waits for the nodes that exist when it begins.
//   - They know nodes only by name, even nodes of the next round. If a round begins while one of their members still waits in leave,
//     that member may not return. When you share a barrier with them, use a new path for each round, or wait until all have left.
//   - kazoo remembers that the directory exists, and fails if the servers have removed it as an empty container. Create the directory as a
//     persistent node if it is used again after a pause.
package barrier
