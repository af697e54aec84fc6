// Package stage is the common part of the examples: it finds ZooKeeper, prints what happens, and has a network that can be broken. The
// subject of an example, including the client, is in the example.
//
//	func main() { stage.Main("lock", tell) }
//
//	func tell(ctx context.Context, s *stage.Stage) error {
//		cli, err := framework.New(framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace})
//		...
//		s.Title("1. Somebody does something.")
//		s.Say("this happened")
//		s.Promise(so, "this is so")
//		return nil
//	}
//
// Every example runs on a ZooKeeper-protocol server inside its process, or with -zk on a real ensemble, below a node of its own,
// which it removes at the end. Its exit status is [Held] if every promise was kept, [Broken] if one was not, and [Untold]
// if the story could not be told.
package stage
