// Package leader elects one of many candidates, on ZooKeeper.
//
//	err := leader.Run(ctx, cli, "/election/scheduler", func(ctx context.Context, t *leader.Term) error {
//		return schedule(ctx, t.Token()) // returns when ctx ends
//	})
//
// # What there is
//
//   - [Run], or [Election.Run]: a function that is called whenever this process leads. The usual way.
//   - [Election.Campaign]: waits until elected and returns the [Term], for those who must hold it in their own hands.
//   - [Term]: one period of leadership: its context, its fencing token, guarded writes, [Term.Resign] and [Term.ResignTo].
//   - [Election.Observe]: who leads, change by change, for those who do not stand themselves. [Election.Leader] and
//     [Election.Participants] look once.
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
// The leader function gets a context that ends as soon as leadership cannot be relied on any more, with the cause. Run
// waits for the function to return before it removes the candidate's node, and before it stands again: in one process
// there is never more than one leader function of a Run, and as long as the session lives nobody else leads while an old
// leader is still finishing. When the session is lost the servers let the next one lead without asking; by then the
// context has ended, but a function that does not stop will overlap. What keeps such a function from doing harm is
// [Term.Multi] and the fencing token.
//
// A function that panics releases leadership on the way out. A campaign waits through disconnections, with its place
// kept, and queues again in the next session when its own is lost.
//
// A candidate that the servers refuse before it has been in the queue gets the error. One that was in the queue once is not
// given up for a refusal, which may pass: it tries again after pauses that grow from 100 ms to 30 s, and says so in
// framework's Client.Health and in the log. So do Campaign and Observe.
//
// By default leadership ends with the connection: the safe choice for functions that talk to the outside. With [Hold] it
// survives a disconnection for as long as the session can be trusted to live, so that a blip or the restart of a server
// costs nothing.
//
// # Planned transfer
//
// [Term.ResignTo] hands leadership to a participant of one's choice, for a deployment that restarts the others first, or
// for a leader that finds itself in the wrong place. There is no protocol for it besides the queue: the nodes that
// stand between the leader's and the successor's are deleted, in one transaction with the leader's own, which checks that
// the successor's is there. So nobody leads in between, and nobody but the successor after it. Whoever was displaced finds
// its node gone when the one before it goes, and queues again at the end: docent's participants do, LeaderLatch does (it
// resets itself), and so do LeaderSelector and kazoo's Election (they try again).
//
// Tokens go on growing, since leaders still come in the order in which their nodes were created. When participants leave
// meanwhile, the transaction is refused and made anew. When its answer is lost, the queue is looked at: it was applied if
// the leader's node is gone and with it all that stood before the successor. When the successor has left, the leader leads
// on, with the same node and token, in a new context. A displaced participant loses its place, and each one costs an event,
// a list and a create: transfer leadership for a reason, not to take turns.
//
// There are no priorities. A candidate that overtakes those who came before it would lead with a smaller token than theirs,
// so the tokens would fence nothing; and no other client would honour them. A leader that knows a better one
// says so with ResignTo.
//
// # Observers
//
// [Election.Observe] gives the present leader first, then every change that it sees, "nobody" included, in order. It
// watches the leader's node alone, and the directory only while nobody leads, so that a hundred observers are not woken
// by each candidate that comes and goes. What was seen is kept for the reader, however slow, as by framework's States.
// Not seen are terms that begin and end between two looks: shorter than a round trip, or while the connection was away.
// The last state is never missed, the same term is never given twice, and none is given after a later one. A transfer has
// no moment without a leader, so no observer sees one.
//
// The leader is the participant whose node is first in the queue. The observer cannot see into it: it may be about to learn
// that it leads, may have stopped already (SUSPENDED) with its node still in place, or may be dead until its session expires.
//
// # Who excludes whom
//
// Nodes hold the participant's id, and are named as by Apache Curator's LeaderLatch; with [Selector] as by LeaderSelector;
// with [Shared] each participant has a node of each kind. Whatever its own names, docent waits for everybody who stands
// before it, so that its participants exclude each other in all combinations. The others look at names of their own only:
//
//	excludes and is excluded by      default    Selector    Shared
//	docent, however it is named      yes        yes         yes
//	LeaderLatch                      yes        no          yes
//	LeaderSelector, Curator's mutex  no         yes         yes
//	kazoo's Election and Lock        no         no          yes
//	go-zookeeper's Lock              no         yes         no
//
// "no" means that one does not wait for the other, and so both may lead. go-zookeeper's Lock fails in a directory with
// names like LeaderLatch's, and leaves a node behind. Shared makes docent exclude each of the others; between
// themselves LeaderLatch, LeaderSelector and kazoo still do not, nor do they and a docent without Shared. So where several
// of them stand beside docent, only one kind of them should, and all of docent's participants should have Shared.
//
// # Assumptions
//
// Those of framework's TrustedUntil, and that participants may read each other's nodes, and delete them for a transfer:
// the ACL of the directory decides that, not that of the nodes. One id should belong to one participant at a time, or it cannot be
// transferred to.
package leader
