// Package zktest is an in-process server that speaks ZooKeeper's client protocol and fails on request. It is for tests,
// demos and simulation, and never for production: nothing is written to disk.
//
//	srv, err := zktest.Start(zktest.Config{})          // on 127.0.0.1, for clients of every language
//	srv, err := zktest.StartMemory(zktest.Config{})    // in memory, for testing/synctest bubbles
//	cluster, err := zktest.StartMemoryCluster(3, zktest.Config{}) // a leader and followers that can lag
//	defer srv.Close()
//	connect(srv.ConnectString(), srv.Client("worker").Dial)
//
// # What it does
//
// It is one server with one state, behind one or several addresses (Config.Endpoints). Clients can use sessions and
// ephemeral nodes, sequential, container and TTL nodes, one-shot, persistent and recursive watches, multi and multiRead,
// ACLs with the schemes world, ip, digest, auth and super, quotas (Config.EnforceQuota), and the four-letter words. It answers as ZooKeeper 3.8 does,
// with the same errors in the same order of precedence, the same Stats and zxids, and events and replies in the same
// order; a suite of scripts compares everything a client can see with what a real server says. It follows newer servers
// in a few things: several kinds of watch of one client on one path stand side by side (ZOOKEEPER-4466, since 3.9), removeWatches
// and checkWatches have a type for each kind and see the caller's own watches only, and a check outside a multi is refused instead of
// never answered. Config.Watches brings the first two back.
// Random requests of every kind, right and wrong ones, are compared as well (make conformance). What is left out there: what a
// server of 3.8 answers to requests that are sent behind a setACL before it is written (it judges them by the old list), and behind a multi
// that fails because a create without a time to live has the flags for one (it forgets to take back what came before it).
// Lists of children come in no useful order, newest first for the most part, so that clients that forget to sort are
// found out.
//
// Left out is reconfig (which is answered as disabled). Of SASL the
// server knows DIGEST-MD5; a test brings the server's side of another mechanism in Config.SASL. TLS is for servers with sockets: see
// Config.TLS.
//
// # Time
//
// The server takes the time from package time and no other source, so inside a synctest bubble it follows the bubble's
// clock. Session deadlines are multiples of the tick: a session that has not been heard of dies after its timeout, and
// at most one tick later, never before.
//
//	           handshake                closeSession, deadline, ExpireSession
//	(nothing) -----------> connected ------------------------------------------> ended
//	                        |     ^                                                ^
//	             connection |     | handshake with id and password                 |
//	                   lost v     |                                                |
//	                     unconnected --------------- deadline, ExpireSession ------+
//
// Watches and identities belong to the connection, ephemeral nodes to the session. A handshake for a session closes the
// connection that has it, even if its password is wrong. A handshake for a session that has ended is answered with
// session 0.
//
// # Faults
//
// Network faults are aimed at connections by a [Match], and stand until the function that they return is called:
//
//	srv.Cut(zktest.SessionConns(id))                               // reset; the session lives on
//	heal := srv.Blackhole(zktest.ClientConns("worker"), zktest.Both)
//	heal := srv.Delay(zktest.AllConns(), 50*time.Millisecond)
//	heal := srv.Throttle(zktest.AllConns(), 200_000)               // bytes per second
//	heal := srv.StopReading(zktest.AllConns())                     // the TCP window closes
//	srv.ExpireSession(id)
//
// Faults of the server's process are aimed at endpoints by number, or at all of them:
//
//	            Refuse                     Pause
//	refusing <----------   running  ----------------->  paused
//	         ---------->    |   ^   <-----------------
//	            Accept      |   |          Resume
//	                   Stop v   | StartEndpoint
//	                       stopped
//
// Faults of single messages are decided by a hook, [Server.OnFrame], that sees every request, reply and event and says
// what becomes of it. With it a reply is lost after its request was committed, which [Server.LoseReply] has ready:
//
//	srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
//		if f.Stage == zktest.Reply && f.Op == zktest.OpCreate && f.Conn.Client == "worker" {
//			return zktest.Cut
//		}
//		return zktest.Pass
//	})
//
// [Server.Inject] has the common cases ready: it answers requests on a path with an error, a number of times, and counts.
//
//	f := srv.Inject(zktest.Rule{Op: zktest.OpSetData, Path: "/config", Times: 3}, zktest.AnswerWith(zktest.ErrThrottled))
//	fmt.Println(f.Fired())
//
// # Clusters
//
// The endpoints of a [Cluster] are members of an ensemble. Each has a state of its own: a prefix of the transactions. Reads, watches and
// the zxid in a reply come from there. Writes are made by the leader, and answered when the client's member has applied them; so is sync.
//
//	                 elected                  leader stopped, or unheard for SyncLimit
//	looking ------------------------> leading, following -----------------------> looking
//	         leader found: catch up                       no quorum for a leader
//
//	heal := cluster.Lag(time.Second, 0)   // member 0 applies transactions a second late
//	heal := cluster.CutOff(0)             // it hears no other member, but its clients
//	cluster.Stop(cluster.Leader())        // killed: the others elect another leader
//	cluster.Pause(0)                      // stopped in its tracks, as with SIGSTOP
//
// A member that begins to look closes the connections of its clients, and takes no handshake before it follows or leads. An election takes
// Config.ElectionTime from when a majority looks for a leader. It is won by the member that has stored most. Sessions survive and have their full
// timeouts before them. A transaction is stored by a majority at the moment at which the leader makes it, so what was made survives; a
// request that had not reached a leader with a majority is lost with its connection. OnFrame chooses: a leader that is stopped at
// the stage Request loses the request, one that is stopped at the stage Reply loses the answer only.
//
// A member that is cut off goes on answering reads and pings, and what needs the leader waits: writes, sync, and handshakes. If the cut heals
// within Config.SyncLimit, the member catches up and its connections live on. Pings that reach a member that is cut off do not reach
// the leader, so sessions expire meanwhile.
//
// With Config.ReadOnlyMode a member that has been looking for a leader for two seconds, or a tick if that is longer, serves reads to new clients
// that accept it (the readOnly byte of the handshake), from what it has stored. Each gets a session that no other member knows, and that
// ends with its connection. Writes and sync are answered with ErrNotReadOnly. All other handshakes are refused, also those of sessions that have begun
// before. When the member finds a leader, it closes the connections.
//
// A client that comes to a member with its session leaves its connection with another member open. That one still answers
// reads, if it is not the leader. The first write or sync on it ends it (SESSIONMOVED). A handshake of a client that has seen more than the member has
// applied is refused.
//
// Not modelled: transactions that a minority has stored and that a later leader keeps (those that it throws away: see Cluster.Stray), observers, reconfiguration, the rounds of an election,
// the time that a member takes to join, and a leader that answers reads after the others have elected another. Lag changes when
// transactions are applied and not when they are stored. ExpireSession and the methods that change the tree act without a quorum as well.
//
// # What happened
//
// [Server.Counts] counts requests, connections and events, so that a test can say what an operation costs.
// [Server.Sessions], [Server.Conns], [Server.Get], [Server.Children] and [Server.Dump] show the state, and
// [Server.Create], [Server.Set] and [Server.Delete] change it from outside. Config.Trace writes everything down.
//
// # Determinism
//
// All clients are served by one goroutine, which takes one step after the other in an order of its own: what is ready at
// the same instant is not left to the scheduler. On the network in memory every message takes a latency of its own that
// follows from Config.Seed, and arrives at an instant at which nothing else does. So within a bubble the same seed gives
// the same trace, as far as the clients themselves are deterministic. GOMAXPROCS=1 removes what races remain in them.
//
// A call that heals a fault, cuts, stops, expires or changes the tree takes effect at once, but the server acts on it a
// nanosecond later: it then lets through what was held, sends events and closes connections. So calls that a test makes
// at one instant never race with the server. A test that wants to see what a call caused sleeps; synctest.Wait is
// not enough.
//
// # Guarantees
//
//   - No input from the network makes the server panic, hang, or allocate what a length merely claims.
//   - A client that does not read holds up nobody else; when 256 MiB wait for it, its connection is reset.
//   - Close returns when every goroutine of the server has ended, whatever is paused or black-holed.
package zktest
