// Package docenttest tests services that use docent. A test runs in fake time with its own ZooKeeper server, creates clients, and
// produces faults.
//
//	func TestWorkSurvivesALostSession(t *testing.T) {
//		docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
//			cli := srv.Connect("worker")
//			go serve(t.Context(), cli) // the code under test
//			srv.Eventually("the service registers", func() bool { return len(srv.List("/workers")) == 1 })
//			srv.LoseSession("worker")
//			srv.Eventually("the service registers again", func() bool { return len(srv.List("/workers")) == 1 })
//		})
//	}
//
// # Bubbles
//
// [Run] puts the test into a bubble of package testing/synctest, with a [zktest.Server] on a network in memory. Time in a bubble advances when every
// goroutine in it waits. A session timeout of ten seconds therefore passes in less than a millisecond, and time.Sleep makes tests neither
// slow nor unreliable. A test that already has a bubble calls [Start], or [Wrap] if it also has a server.
//
// The bubble ends when every goroutine in it has ended. Clients of [Server.Connect] are closed at the end of the test, and the server after them.
// Goroutines that the test starts should end with t.Context() at the latest, which is canceled just before.
//
// The methods of a Server belong to the goroutine of the test, because a failure ends that goroutine. Functions passed to
// a Server are called on the same goroutine.
//
// # Clients
//
// Every client has a name, as if it ran on a host of that name, and faults apply to names. [Server.Connect] creates a client and
// waits for its session. A service that makes its own client gets a framework.Config from [Server.Config].
//
// The random numbers of a client follow from its name, and the latencies of the network from the seed of zktest.Config. So a test
// does the same in each run, if its own goroutines are deterministic.
//
// # Faults
//
//	srv.LoseSession("worker")                  the session ends, and the client begins the next one
//	srv.Blip("worker", nil)                    the connection breaks for a fifth of the session timeout
//	reconnect := srv.Disconnect("worker")      the connection breaks, and no other is possible
//	heal := srv.Silence("worker")              packets are lost without an error
//	end := srv.Outage()                        all servers are down, and keep their state
//	srv.LoseReply(zktest.OpCreate, 1)          the next create is applied, and its reply is lost
//
// A Server has the methods of its zktest.Server as well, which has more faults: delays, errors instead of replies, and hooks that see
// every message. Its Client method names a host for a dialer, and does not create a docent client.
//
// # Waiting
//
// [Server.Eventually] waits for a condition, [Server.WaitState] for a state of a client, and [Server.Settle] until all messages have arrived.
// They wait in fake time, and fail the test after an hour of it. A test that lasts for two days of fake time, because all
// of its goroutines wait for each other, panics and shows their stacks.
//
// A test that fails shows the last requests, replies and events of the server.
package docenttest
