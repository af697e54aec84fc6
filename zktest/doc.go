// Package zktest is an in-process server that speaks ZooKeeper's client protocol and produces faults on demand. Use it for tests, demos
// and simulation, and not in production: it writes nothing to disk.
//
//	srv, err := zktest.Start(zktest.Config{})          // on 127.0.0.1, for clients of every language
//	srv, err := zktest.StartMemory(zktest.Config{})    // in memory, for testing/synctest bubbles
//	cluster, err := zktest.StartMemoryCluster(3, zktest.Config{}) // a leader and followers that can lag
//	defer srv.Close()
//	connect(srv.ConnectString(), srv.Client("worker").Dial)
//
// # Features
//
// A [Server] has one state, behind one or several addresses (Config.Endpoints). Clients can use sessions and ephemeral nodes; sequential,
// container and TTL nodes; one-shot, persistent and recursive watches; multi and multiRead; ACLs with the schemes world, ip, digest, auth
// and super; quotas (Config.EnforceQuota); and the four-letter words. The server answers as ZooKeeper 3.8 does: with the same errors in the
// same order of precedence, the same Stats and zxids, and events and replies in the same order. A suite of scripts compares everything that
// a client can see with the replies of a real server. Random requests of every kind, valid and invalid, are compared as well (make
// conformance).
//
// In these points zktest follows newer servers. Config.Watches restores the first two of 3.8:
//
//   - Several kinds of watch of one client on one path exist side by side (ZOOKEEPER-4466, since 3.9).
//   - removeWatches and checkWatches have a type for each kind, and see only the caller's own watches.
//   - A check outside a multi is refused. ZooKeeper 3.8 never answers it.
//
// Two oddities of ZooKeeper 3.8 are not imitated. 3.8 judges requests by the old ACL if they arrive after a setACL that is not written
// yet. It also fails to undo the earlier operations of a multi that fails because a create without a TTL has the flags of a TTL node.
//
// Lists of children come in no useful order, mostly newest first, so a client that forgets to sort them fails its tests.
//
// Reconfig is not supported, and is answered as disabled. The server knows the SASL mechanism DIGEST-MD5. For another mechanism, a test
// supplies the server's side in Config.SASL. Servers with sockets can use TLS: see Config.TLS.
//
// # Time
//
// The server takes the time only from package time, so inside a synctest bubble it follows the bubble's clock. Session deadlines are
// multiples of the tick. A silent session expires after its timeout, at most one tick later, and never earlier.
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
// A network fault applies to the connections that a [Match] selects. It lasts until the function that it returned is called:
//
//	srv.Cut(zktest.SessionConns(id))                               // reset; the session lives on
//	heal := srv.Blackhole(zktest.ClientConns("worker"), zktest.Both)
//	heal := srv.Delay(zktest.AllConns(), 50*time.Millisecond)
//	heal := srv.Throttle(zktest.AllConns(), 200_000)               // bytes per second
//	heal := srv.StopReading(zktest.AllConns())                     // the TCP window closes
//	srv.ExpireSession(id)
//
// A fault of the server's process applies to one endpoint, by number, or to all of them:
//
//	            Refuse                     Pause
//	refusing <----------   running  ----------------->  paused
//	         ---------->    |   ^   <-----------------
//	            Accept      |   |          Resume
//	                   Stop v   | StartEndpoint
//	                       stopped
//
// Faults of single messages come from a hook, [Server.OnFrame], which sees every request, reply and event and decides what happens to it.
// This hook loses a reply after its request was committed; [Server.LoseReply] does the same:
//
//	srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
//		if f.Stage == zktest.Reply && f.Op == zktest.OpCreate && f.Conn.Client == "worker" {
//			return zktest.Cut
//		}
//		return zktest.Pass
//	})
//
// [Server.Inject] covers the common cases: it answers requests on a path with an error, a given number of times, and counts them.
//
//	f := srv.Inject(zktest.Rule{Op: zktest.OpSetData, Path: "/config", Times: 3}, zktest.AnswerWith(zktest.ErrThrottled))
//	fmt.Println(f.Fired())
//
// # Clusters
//
// The endpoints of a [Cluster] are members of an ensemble. Each member has its own state, which is a prefix of the transactions. Reads,
// watches and the zxid in a reply use that state. The leader makes the writes. A write or sync is answered when the client's member has
// applied it.
//
//	                 elected                  leader stopped, or silent for SyncLimit
//	looking ------------------------> leading, following -----------------------> looking
//	         leader found: catch up                       leader without a quorum
//
//	heal := cluster.Lag(time.Second, 0)   // member 0 applies transactions a second late
//	heal := cluster.CutOff(0)             // member 0 reaches its clients, but no other member
//	cluster.Stop(cluster.Leader())        // killed: the others elect another leader
//	cluster.Pause(0)                      // stopped as with SIGSTOP
//
// A member that begins to look for a leader closes the connections of its clients. It accepts no handshake until it follows or leads. An
// election takes Config.ElectionTime, from when a majority is looking for a leader. The member that has stored the most transactions wins. Sessions
// survive, with their full timeouts ahead. The leader makes a transaction and a majority stores it at the same moment, so it
// survives. A request that had not reached a leader with a majority is lost with its connection. OnFrame selects between the two:
// a leader that is stopped at the stage Request loses the request, and one that is stopped at the stage Reply loses only the reply.
//
// A member that is cut off still answers reads and pings. Requests that need the leader wait: writes, sync, and handshakes. If the cut heals
// within Config.SyncLimit, the member catches up and its connections continue. The leader does not learn of pings to a member that is
// cut off, so sessions can expire meanwhile.
//
// With Config.ReadOnlyMode, a member that has looked for a leader for two seconds, or for a tick if that is longer, serves reads from what it has
// stored. It serves new clients that accept a read-only server (the readOnly byte of the handshake). Each gets a session that no other member
// knows, and that ends with its connection. Writes and sync are answered with ErrNotReadOnly. All other handshakes are refused, even
// those of existing sessions. When the member finds a leader, it closes these connections.
//
// A client that moves its session to another member may leave its former connection open. The former member still answers reads on it, if
// it is not the leader. The first write or sync on that connection ends it (SESSIONMOVED). A member refuses the handshake of a client that
// has seen more transactions than the member has applied.
//
// Not modelled are: transactions that a minority has stored and a later leader keeps (for those that a later leader discards, see
// Cluster.Stray), observers, reconfiguration, the rounds of an election, the time that a member takes to join, and a leader that answers
// reads after the others have elected another one. Lag delays applying transactions, and not storing them. ExpireSession and the methods
// that change the tree work without a quorum.
//
// # Counts and state
//
// [Server.Counts] counts requests, connections and events, so a test can check what an operation costs.
// [Server.Sessions], [Server.Conns], [Server.Get], [Server.Children] and [Server.Dump] show the state, and
// [Server.Create], [Server.Set] and [Server.Delete] change it from outside. Config.Trace logs everything.
//
// # Determinism
//
// One goroutine serves all clients, one step after the other, in its own order, so the result does not depend on the scheduler. On the
// network in memory each message has its own latency, which follows from Config.Seed, and arrives at an instant of its own.
// So inside a bubble the same seed gives the same trace, if the clients are deterministic. GOMAXPROCS=1 removes the remaining
// races in the clients.
//
// A call that heals a fault, cuts, stops, expires or changes the tree takes effect at once. The server acts on it a nanosecond later: it
// then releases what was held back, sends events and closes connections. So calls that a test makes at one instant do not race with
// the server. A test that wants to see the effects of a call must sleep; synctest.Wait is not enough.
//
// # Guarantees
//
//   - No input from the network makes the server panic, hang, or allocate memory for a length that was only claimed.
//   - A client that does not read delays no other client. When 256 MiB are queued for it, its connection is reset.
//   - Close returns when every goroutine of the server has ended, even if endpoints are paused or connections black-holed.
package zktest
