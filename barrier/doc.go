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
//	            session lost: error        (out)                Context() ends (out) node removed (out)
//
// Members are ephemeral nodes in the barrier's directory. The one that finds enough of them creates the node "ready", which
// lets in all who wait. Leave returns when every member that it found there has left or died; the last one removes its
// own node and "ready" in one transaction, and with that the next round can begin, on the same path and with the same
// objects.
//
// The number is a threshold and no limit, as in Curator: who comes when the barrier is open, while a member of that round is
// still in, is let in at once.
//
// What Enter promises:
//
//   - It returns nil only if the barrier was opened after it had joined, by somebody who found the number of members
//     there at one moment, or if it was opened so before and one of those members is still in.
//   - A "ready" whose members are all gone (they crashed) lets nobody in. It is replaced when the next round is complete.
//   - A member counts once, whatever becomes of its connection: nodes that an [Enter] of the same Double has left behind in an
//     earlier session, or with a removal still under way, carry the same id. [WithID] keeps that true across a restart
//     of the process.
//   - On error no node stays, while the session lives. The others may have been let in before the error came: they counted
//     on a member that is not there, and find out in Leave, which does not wait for it.
//
// A member that dies counts until the servers end its session. ZooKeeper has no other notion of dead.
//
// [Entered.Context] ends with framework.ErrSessionLost as its cause when the session is lost: to the others this member has
// left then. It survives SUSPENDED. It is no proof of exclusion and nobody else's is needed: a barrier excludes nobody.
//
// # Cost
//
//	                       requests, one after the other         events
//	Barrier.Wait           2 (sync, get)                         1 if it was closed
//	Barrier.Set, Remove    1                                     1 to each who waits
//	Enter, waiting         3 (exists, create, children)          1
//	Enter, the last one    4 (and create ready)
//	Enter, late            3, and exists for each member that is looked at until one of that round is found
//	Leave                  4 (children, delete, get, children)   1
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
//   - They take any "ready" for an open barrier, and count nodes, not ids.
//   - kazoo removes "ready" when the first of its members leaves, and Curator sometimes before the last one has left.
//     A docent member is let in by the event all the same; only if its connection is away at that moment can it miss the
//     opening, and then it waits until its ctx ends, while the others wait for its node.
//   - They know nodes by name alone, also those of the next round: a round that begins while one of them still waits in leave
//     can leave it there. Give each round a path of its own in such company, or wait until all have left.
//   - kazoo remembers that the directory exists, and fails when the servers have removed an empty container: create the
//     directory as a persistent node if it is used again after a pause.
package barrier
