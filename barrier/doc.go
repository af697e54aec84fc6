// Package barrier makes processes wait for each other on ZooKeeper.
//
// A [Barrier] holds everybody back until somebody removes it. A [Double] lets nobody in before a number of members is
// there, and nobody out before all have finished.
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
//	open -------> closed (node) ----------> open, and everybody who waits is let go
//
// Wait returns nil if, and only if, the barrier was open at some moment after the call began: a removal is not missed when
// the barrier is set again at once, nor when both happen while the connection is away, or in another session. Nothing
// is owned while waiting, so Wait goes on in the next session. Each session begins with a sync, so that a server which lags
// behind cannot show a barrier open that was closed before the call.
//
// # Double
//
//	                    node of one's own                members are there
//	Enter ------------------------------> waiting --------------------------> inside --Leave--> leaving ---> left
//	                                        |                                   |                  |
//	            ctx ends, refused, closed:  |                   session lost,   |    ctx ends:     |  own node goes at once,
//	            error, own node removed     v                   client closed:  v    error, own    v  the lowest one's last
//	            session lost, node deleted: (out)               Context() ends (out) node removed (out)
//	            error
//
// Members are ephemeral nodes in the barrier's directory. The one that finds enough of them creates the node "ready", which
// lets in all who wait. Leave returns when every member of the round has left or died. The last one removes its own node
// and "ready" in one transaction. With that the next round can begin, on the same path and with the same objects.
//
// The number is a threshold and no limit, as in Curator: a member that comes while a round is under way is let into it at once.
//
// # Rounds
//
// Each round has an identity: the czxid of its "ready". Names do not have one, because the next round's node has the same name.
// A node belongs to the round in one of two ways:
//
//   - It is older than "ready". Its member waited when the round was opened, or has missed that and will find out.
//   - Its data is the round's czxid. Its member came late. It has written that in a transaction, which checks that the node of
//     another member is there, and sets "ready" to count up its version.
//
// A change to a round is refused when it is no longer that round:
//
//   - The last member deletes its own node and "ready" together, at the version that it saw before it listed the directory
//     and found nobody else. A member that has come late since changes the version, and is waited for.
//   - A member whose node is gone never removes "ready". If the lowest member dies, "ready" stays, and no round is under way.
//   - A "ready" without members lets nobody in. The member that completes the next round replaces it, in one transaction, at the
//     version that it saw, by one with another version. So it replaces that one and no later one.
//
// So as long as a member of a round has a node, its "ready" is there, no other round is opened, and whoever comes joins this
// round. When none has, nobody can join it any more. Nobody waits for a node of another round, in Enter or in Leave. A
// process that is started again while its round is under way is late for it; the others wait for it again. Otherwise it is
// early for the next round.
//
// What Enter promises:
//
//   - It returns nil only if the barrier was opened after it had joined, by somebody who found the number of members
//     there at one moment, or if it was opened so before and one of those members is still in.
//   - A member counts once, whatever becomes of its connection: nodes that an [Enter] of the same Double has left behind in an
//     earlier session, or with a removal still under way, carry the same id. [WithID] keeps that true across a restart
//     of the process.
//   - A member that waits watches its own node. If somebody else deletes it, Enter returns [ErrDeleted].
//   - On error no node stays, while the session lives. The others may have been let in before the error came: they counted
//     on a member that is not there, and find out in Leave, which does not wait for it.
//
// A member that dies counts until the servers end its session. ZooKeeper has no other notion of dead.
//
// Children that no member has made, by their names, are ignored.
//
// [Entered.Context] ends with framework.ErrSessionLost as its cause when the session is lost: to the others this member has
// left then. It survives SUSPENDED. It is no proof of exclusion and nobody else's is needed: a barrier excludes nobody.
//
// # Cost
//
//	                       requests, one after the other         events
//	Barrier.Wait           2 (sync, get)                         1 if it was closed
//	Barrier.Set, Remove    1                                     1 to each who waits
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
// and what missing parents cost the first time. One event goes to each member when the barrier opens, and one when the
// lowest leaves: a round costs a number of requests that grows with the number of members, and no faster.
//
// # Other languages
//
// Layouts are those of Apache Curator's DistributedBarrier and DistributedDoubleBarrier and of kazoo's Barrier and
// DoubleBarrier; members in all three can stand in one barrier. The promises above are those of docent's members. What
// the others do differently, seen in Curator 5.4 and kazoo 2.8:
//
//   - They take any "ready" for an open barrier, and count nodes, not ids: every child of the directory is a member to them.
//   - They remove "ready" by its name: kazoo when the first of its members leaves, Curator sometimes before the last one has
//     left. A docent member is let in by the event all the same; only if its connection is away at that moment can it miss the
//     opening, and then it waits until its ctx ends, while the others wait for its node.
//   - Their nodes do not say that they came late. Leave waits for those that are there when it begins.
//   - They know nodes by name alone, also those of the next round: a round that begins while one of them still waits in leave
//     can leave it there. Give each round a path of its own in such company, or wait until all have left.
//   - kazoo remembers that the directory exists, and fails when the servers have removed an empty container: create the
//     directory as a persistent node if it is used again after a pause.
package barrier
