// Package leader elects one of many candidates, on ZooKeeper.
//
//	err := leader.Run(ctx, cli, "/election/scheduler", func(ctx context.Context, t *leader.Term) error {
//		return schedule(ctx, t.Token()) // returns when ctx ends
//	})
//
// # What Run does
//
//	          first in the queue            lead returned
//	campaign ---------------------> term -----------------> released
//	   ^                              |                        |
//	   |   lead has returned          | context ended:         | nil, or an error of its own: Run returns it
//	   +------------------------------+ suspended, lost, ...   | after the end of its context: campaign again
//
// The leader function gets a context that ends as soon as leadership cannot be relied on any more, with the cause. Run
// waits for the function to return before it removes the candidate's node, and before it stands again: in one process
// there is never more than one leader function of a Run, and as long as the session lives nobody else leads while an old
// leader is still finishing. When the session is lost the servers let the next one lead without asking; by then the
// context has ended, but a function that does not stop will overlap. What keeps such a function from doing harm is
// [Term.Multi] and the fencing token.
//
// A function that panics releases leadership on the way out.
//
// # Short disconnections
//
// By default leadership ends with the connection: the safe choice for functions that talk to the outside. With [Hold] it
// survives a disconnection for as long as the session can be trusted to live, so that a blip or the restart of a server
// costs nothing.
//
// # Compatibility
//
// Nodes are named as by Apache Curator's LeaderLatch and hold the candidate's id; candidates of both stand in one election.
package leader
