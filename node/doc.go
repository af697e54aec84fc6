// Package node keeps nodes alive over sessions: registrations, presence, membership in a group.
//
//	k, err := node.Keep(ctx, cli, "/services/orders/10.0.0.7:8080", payload)
//	if err != nil {
//		return err
//	}
//	defer k.Close(context.WithoutCancel(ctx))
//
// # What Keep gives
//
// A [Keeper] makes a node stand for as long as the Keeper is open: it is created, put back when somebody deletes it, and
// created anew in every session.
//
//	        create                        blip, SUSPENDED, RECONNECTED: nothing happens
//	Keep -------------> standing <----------------------------------------------------+
//	  ^                  |  |  |                                                       |
//	  |  deleted by      |  |  +-------------------------------------------------------+
//	  |  somebody else   |  |
//	  +------------------+  | LOST                    new session: create, or, where the ghost still stands,
//	  |                     +------> not standing --+ one transaction that deletes it and creates the new node
//	  |                                ^            |
//	  +--------------------------------|------------+
//	                                   | another session's node stands at the path: wait until it goes
//	                                   | refused (ErrNoAuth, ...): again, with growing pauses
//	Close, in any state: the node is removed, in the background if need be
//
// While the connection is away the Keeper waits: its policy is Hold for SUSPENDED and Rebuild for LOST. [Keeper.Standing]
// says how things are, [Keeper.WaitStanding] waits for the node.
//
// # Whose node
//
// An ephemeral node says which session owns it, and that decides:
//
//   - A node of an earlier session of this client is a ghost: the servers have not noticed yet that its session is over. It is
//     replaced in one transaction, so that nobody who reads or lists ever sees the name absent.
//   - A node of any other session belongs to somebody else, perhaps to this very process before its restart. The Keeper
//     waits until it goes and creates its own at once. With [Replace] it takes the name over, in one transaction as well.
//   - The newest wins: a Keeper takes a name over only until its node stands for the first time. When a later Keeper
//     with Replace takes the name from it, it waits, and has the name back when that one's node goes. So two Keepers do not
//     fight: each of them replaces once.
//
// Persistent nodes have no owner. A Keeper of a persistent node or container takes over what it finds, and writes its data.
//
// # Data
//
// The node is created with the Keeper's data, and [Keeper.Set] replaces it, now or in the next session. The last Set wins,
// whatever becomes of the answers to the ones before. What others write to the node is left alone until the next Set or
// until the node is created anew; then the Keeper's data stands again.
//
// # Modes
//
// Ephemeral is the default. [WithMode] chooses EphemeralSequential, Persistent, PersistentSequential or Container,
// [Protected] puts a GUID into the name, and [WithTTL] makes a container whose child "touch" is renewed, so that the node
// outlives the session and not the process. Layouts are those of Apache Curator's PersistentNode, PersistentTtlNode and
// GroupMember.
//
// A sequential node gets a new number whenever it is created, so [Keeper.Path] changes. When the answer to its create is lost,
// the node is found again among its siblings: by the GUID, if it is Protected, and otherwise by its name, its owner and
// its age. That is certain while no other Keeper of this client uses the same name. A persistent sequential node
// has no owner; without Protected it cannot be told from others, and one that was created behind a lost answer stays.
//
// # Groups
//
// [Join] keeps a member's node in the directory of a group, [Members] looks at a group once, and [WatchMembers] follows it.
//
// # What it costs
//
//	Keep                               create, and one read that watches the node (and what missing parents cost)
//	nothing happens                    no requests; pings are the client's
//	blip within the session            no requests but the one that sets its watches again
//	deleted by somebody                create and one read
//	new session, ghost gone            create and one read; ephemeral nodes of many Keepers are created in a few transactions
//	new session, ghost still there     a refused create, one read, one multi and one read
//	Set                                one request (ephemeral nodes; a read more for others, which are watched by their data)
//	WithTTL                            one request at every half of it
//	Close                              one read and one delete
//
// # Guarantees, and their limits
//
//   - Standing means: this client's session has the node as far as it was told. The servers may have ended the session
//     already; that is known when they say so, or T after they were last heard of (see package framework).
//   - A node is removed only if it is this Keeper's by owner and creation, and only at the version that was seen. ZooKeeper
//     has no delete that names the owner, so a node that replaces it with the same version within one round trip
//     would be taken for it.
//   - The end of the client takes its ephemeral nodes along. Nodes of other modes stay: close their Keepers first.
//   - If the process dies, its ephemeral nodes go when the session expires, containers with TTL after that time.
package node
