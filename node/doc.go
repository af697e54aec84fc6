// Package node keeps a node in existence across sessions, for registrations, presence and group membership.
//
//	k, err := node.Keep(ctx, cli, "/services/orders/10.0.0.7:8080", payload)
//	if err != nil {
//		return err
//	}
//	defer k.Close(context.WithoutCancel(ctx))
//
// # What a Keeper does
//
// A [Keeper] keeps its node in existence until it is closed. It creates the node, creates it again when somebody deletes it, and creates it
// again in every new session. While the node exists in the current session, the Keeper is standing.
//
//	        create                        disconnection, SUSPENDED, RECONNECTED: no request
//	Keep -------------> standing <----------------------------------------------------+
//	  ^                  |  |  |                                                       |
//	  |  deleted by      |  |  +-------------------------------------------------------+
//	  |  somebody else   |  |
//	  +------------------+  | LOST                    new session: create; if the old node still exists,
//	  |                     +------> not standing --+ one transaction deletes it and creates the new one
//	  |                                ^            |
//	  +--------------------------------|------------+
//	                                   | another session's node is at the path: wait until it is deleted
//	                                   | refused (ErrNoAuth, ...): try again, after growing pauses
//	Close, in any state: the node is removed, in the background if necessary
//
// While the connection is away the Keeper waits: its policy is Hold for SUSPENDED and Rebuild for LOST. [Keeper.Standing] returns the
// present state, and [Keeper.WaitStanding] waits until the Keeper is standing.
//
// # Ownership
//
// An ephemeral node records the session that owns it. If there is a node at the path already, its owner decides what the Keeper does:
//
//   - If an earlier session of this client owns the node, the servers have not yet noticed the end of that session. The Keeper replaces the
//     node in one transaction, so no reader sees the name absent.
//   - If any other session owns the node, it belongs to somebody else, perhaps to the previous run of this process. The Keeper waits until
//     the node is deleted, and creates its own at once. With [Replace] it takes the name over instead, also in one transaction.
//   - The newest Keeper wins. A Keeper takes a name over only before its own node exists for the first time. If a later Keeper with
//     Replace takes the name over, the earlier one waits until that Keeper's node is gone, and then creates its own again. So each
//     Keeper replaces at most once, and two Keepers do not fight.
//
// Persistent nodes have no owner. A Keeper of a persistent node or a container takes over an existing node and writes its data.
//
// # Data
//
// The node is created with the Keeper's data. [Keeper.Set] replaces the data, now or in the next session. The last Set wins, even if replies
// to earlier ones were lost. Data written by others stays until the next Set, or until the Keeper creates the node again
// with its own data.
//
// # Modes
//
// The default mode is Ephemeral. [WithMode] selects EphemeralSequential, Persistent, PersistentSequential or Container. [Protected] puts
// a GUID into the name. [WithTTL] creates a container with a child "touch", which is renewed: the container outlives the session, but not
// the process. The layouts are those of Apache Curator's PersistentNode, PersistentTtlNode and GroupMember.
//
// A sequential node gets a new number each time it is created, so [Keeper.Path] changes. If the reply to its create is lost, the Keeper
// looks for the node among its siblings: by the GUID if it is Protected, and otherwise by its name, owner and age. This is reliable
// as long as no other Keeper of this client uses the same name. A persistent sequential node has no owner. Without Protected it cannot be
// recognized, and a node whose create reply was lost stays on the servers.
//
// # Groups
//
// [Join] keeps a member's node in the directory of a group. [Members] lists a group once, and [WatchMembers] follows it.
//
// # Cost
//
//	Keep                               one create, and one read that watches the node (and creating missing parents)
//	no change                          no requests; the client sends the pings
//	disconnection within the session   no requests, except the one that sets the watches again
//	node deleted by somebody           one create and one read
//	new session, old node gone         one create and one read; ephemeral nodes of many Keepers share a few transactions
//	new session, old node still there  a refused create, one read, one multi and one read
//	Set                                one request (one more read if the node is not ephemeral, because its data is watched)
//	WithTTL                            one request every half of the time to live
//	Close                              one read and one delete
//
// # Guarantees and limits
//
//   - Standing means that this client's session has the node, as far as the client knows. The servers may have ended the session
//     already. The client learns of this when the servers say so, or at the latest T after it last heard from them (see package
//     framework).
//   - A node is removed only if its owner and its creation show that it is this Keeper's, and only at the version that was seen. ZooKeeper
//     cannot delete on condition of the owner. So a node that replaces the Keeper's within one round trip, with the same
//     version, would be deleted by mistake.
//   - When the client ends, its ephemeral nodes are deleted. Nodes of other modes stay, so close their Keepers first.
//   - If the process dies, its ephemeral nodes are deleted when the session expires, and containers with a TTL after that time.
package node
