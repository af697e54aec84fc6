// Package leader elects one of many candidates as leader, on ZooKeeper.
//
//	err := leader.Run(ctx, cli, "/election/scheduler", func(ctx context.Context, t *leader.Term) error {
//		return schedule(ctx, t.Token()) // returns when ctx ends
//	})
//
// # Overview
//
//   - [Run] and [Election.Run] call a function whenever this process leads. Most programs use these.
//   - [Election.Campaign] waits until the candidate is elected and returns the [Term]. It is for programs that manage the term themselves.
//   - [Term] is one period of leadership. It has a context, a fencing token, guarded writes, [Term.Resign] and [Term.ResignTo].
//   - [Election.Observe] follows who leads, without being a candidate. [Election.Leader] and [Election.Participants] read the present state
//     once.
//
// # States
//
//	          first in the queue            lead returned, or ctx ended
//	campaign ---------------------> term ------------------------------> released: Run returns
//	  ^   ^                         ^ | |
//	  |   |  SUSPENDED, LOST,       | | |  ResignTo: the context ends; lead returns; then, in one transaction,
//	  |   |  deleted, Resign:       | | |
//	  |   |  the context ends,      | | +--> check the successor's node, delete all nodes from the own one up to it
//	  |   |  lead returns           | |          |                 |
//	  |   +-------------------------|-+          | applied         | the successor is gone
//	  |                             |            |                 |
//	  +-----------------------------|------------+                 |
//	                                +------------------------------+
//
// The leader function gets a context that ends as soon as leadership can no longer be relied on; the cause says why. Run does not remove
// the candidate's node, or campaign again, until the function has returned. So one Run never has two leader functions at once. While the
// session lives, nobody else leads before the old leader's function has finished. If the session is lost, the servers let the next candidate lead. The
// context has ended by then, but a function that ignores its context overlaps with the next leader. [Term.Multi] and the fencing token
// keep such a function from doing harm.
//
// If the function panics, leadership is released. A campaign waits through disconnections and keeps its place in the queue. If its session
// is lost, it queues again in the next session.
//
// If the servers refuse a candidate that has never been in the queue, Run returns the error. A candidate that has been in the queue once
// does not give up, because the refusal may be temporary. It tries again after pauses that grow from 100 ms to 30 s, and
// reports the problem in framework's Client.Health and in the log. Campaign and Observe do the same.
//
// By default leadership ends when the connection is lost. This is the safe choice for a function with effects outside ZooKeeper. With
// [Hold], leadership survives a disconnection for as long as the session is trusted, so the restart of a server does not end it.
//
// # Planned transfer
//
// [Term.ResignTo] transfers leadership to a chosen participant. Use it in a deployment that restarts the other processes first, or when the
// leader runs in the wrong place. The transfer needs no protocol besides the queue. One transaction deletes the leader's node and all nodes
// between it and the successor's node, and checks that the successor's node exists. There is no gap, and no other participant can lead
// in between. A displaced participant finds its node gone, and queues again at the end. docent's
// participants do so, and so do LeaderLatch (which resets itself), LeaderSelector and kazoo's Election (which try again).
//
// Tokens keep growing, because leaders still follow each other in the order in which their nodes were created. If a participant leaves
// before the transaction, the transaction is refused and tried again with the new queue. If the reply is lost, docent reads the queue: the transaction was
// applied if the leader's node and all nodes between it and the successor's are gone. If the successor has left, the leader continues
// to lead, with the same node and token, in a new context. A displaced participant loses its place and pays for an event, a list and a
// create, so transfer leadership for a reason, and not to take turns.
//
// There are no priorities. A candidate that overtook earlier ones would lead with a token smaller than theirs, so the tokens would not
// fence, and other clients would not respect the priority. A leader that knows a better one uses ResignTo.
//
// # Observers
//
// [Election.Observe] returns the present leader first. Then it returns every change that it sees, in order, including "nobody". It watches only
// the leader's node, and the directory only while nobody leads. So a hundred observers are not notified of each candidate that joins or
// leaves. Changes are queued for a slow reader, as by framework's States. A term can go unobserved if it starts and ends between two
// reads: within one round trip, or during a disconnection. The last state is never missed, no term is returned twice, and terms are
// returned in order. A transfer has no moment without a leader, so observers do not see one.
//
// The leader is the participant whose node is first in the queue. Observers cannot see more than that. The leader may not know yet that it
// leads, it may have stopped (SUSPENDED) although its node is still there, or its process may be dead and its session not yet expired.
//
// # Who excludes whom
//
// Nodes hold the participant's id. They are named as by Apache Curator's LeaderLatch, or with [Selector] as by LeaderSelector. With
// [Shared], each participant has one node of each kind. Whatever its own names, docent waits for everybody ahead in the queue, so docent's
// participants exclude each other in all combinations. The other libraries only look at nodes with their own names:
//
//	excludes and is excluded by      default    Selector    Shared
//	docent, however it is named      yes        yes         yes
//	LeaderLatch                      yes        no          yes
//	LeaderSelector, Curator's mutex  no         yes         yes
//	kazoo's Election and Lock        no         no          yes
//	go-zookeeper's Lock              no         yes         no
//
// "No" means that one does not wait for the other, so both may lead. go-zookeeper's Lock fails in a directory with names like
// LeaderLatch's, and leaves a node behind. Shared makes docent exclude each of the others, but LeaderLatch, LeaderSelector and kazoo do not
// exclude each other, and do not exclude a docent without Shared. So let only one of the other kinds take part beside docent, and use
// Shared for all of docent's participants.
//
// # Assumptions
//
// The assumptions of framework's TrustedUntil apply. Participants must be allowed to read each other's nodes, and for a transfer to delete
// them. The ACL of the directory decides about deletion, and not the ACL of the nodes. An id should belong to one participant at a time;
// otherwise leadership cannot be transferred to it.
package leader
