// Package framework is the client that every docent recipe stands on: ZooKeeper sessions as objects, a connection-state
// bus that loses nothing, operations that know what became of them, and one engine that runs a recipe once per session.
//
// # Why
//
// Everything a recipe owns on ZooKeeper (ephemeral nodes, watches, trust in what it has read) belongs to one session and
// dies with it. A client that lets work meant for one session run in the next one, or that learns late that its session
// is gone, breaks every lock built on it. So a session is an object here, an epoch, and nothing crosses from one to the next.
//
// # Connection states
//
//	            established                link broken, or no answer for T-margin
//	Connecting ------------> Connected ------------------------------------------> Suspended
//	                          ^     ^        <------------------------------------     |
//	                          |     |                Reconnected (same session)        | server says expired, or
//	          next epoch,     |     |                                                  | no answer for T
//	          new session id  |     |                                                  v
//	                          |     +--------------------------------------------------+
//	                          +------------------------------------------------------ Lost
//	any state -- Close --> Closed
//
// Connected is the first state of every session except those of read-only servers (see Read-only servers). Reconnected says that the
// same session goes on after Suspended. After a planned move
// of the session to another connection (see Identities) Reconnected follows Connected or Reconnected. Lost of
// one epoch always comes before Connected of the next, and Suspended always before Lost. Every [StateChange] carries the
// state before it, the epoch, the time and the cause. Each subscriber of [Client.States] has its own ordered queue in
// which nothing is dropped; one that does not read delays nobody.
//
// # Read-only servers
//
// A member of an ensemble that has lost touch with the majority can go on serving reads: with readonlymode.enabled, and since ZooKeeper 3.7 with
// localSessionsEnabled, which it needs to start sessions by itself. It does so about two seconds after it has lost its leader, and only for new
// sessions of clients that accept it. With [Config.ReadOnly] a client does:
//
//	                   a full server answers
//	Connecting, Lost ---------------------------------------------> Connected
//	        |   ^
//	        |   +---- Lost <-- Suspended <----+
//	        |                                 | a full server was found, or the link broke
//	        +-------------------------> ReadOnly
//	           every server was tried, and a read-only one answers
//
// A session belongs to full servers or to one read-only server, and never goes from one kind to the other. A session that has begun on a full
// server waits for a full server, Suspended, and is kept if one answers within T. (Servers refuse it in read-only mode, and could not
// prolong it.) When it is lost, the next one may begin read-only. That one ends with its connection. What this means:
//
//   - Claims end before the state becomes ReadOnly, with SUSPENDED, trust or LOST as always. A session of a read-only server owns no nodes and is
//     never trusted: its [Session.ClaimContext] ends at once with [ErrUntrusted].
//   - Reads of a [Client] are served, watches too. They may show an old state, and transactions that are undone when the member finds a leader.
//     A read-only server that is behind what the client has seen before is not accepted.
//   - Writes and Sync return [ErrNotReadOnly] at once and are not sent. A write that was sent before, and whose outcome is not known, waits for a
//     full server.
//   - A recipe waits for the next full session, unless its policy says [Serve] ([Policy].OnReadOnly). Caches and views of services do: they serve what
//     they have, marked stale, and load from the read-only server if they have nothing. [Session.ReadOnly] tells a recipe where it is.
//   - Ephemeral nodes of the session before stay on the servers, which end it T after they have a leader again. Recipes take the place of such
//     nodes as after any lost session.
//
// While the state is ReadOnly the client tries its servers in turn, with the pauses of [Config.ReconnectPolicy]. Each try is a handshake that does not
// accept a read-only server, and the session that a full server starts for it is closed at once. Then Suspended, Lost and Connected follow without a pause.
// Everything that was read in the read-only session is read again: caches report the difference.
//
// # Two clocks
//
// Both run, on the monotonic clock, from the time at which the last answered request was sent, with T the negotiated timeout:
//
//   - TrustedUntil is that time + T - margin ([Config.TrustMargin], a quarter of T by default). What is held by virtue of
//     the session is given up no later, whatever the policy says, and a link that is silent that long is replaced.
//   - Lost comes at that time + T at the latest, or as soon as the server says that the session has expired.
//
// A server lets a session expire no earlier than T after it last heard from it, which cannot be before the request was
// sent; so on the server that keeps the session Lost is never later than the expiry, by clocks that run at the same rate.
// The margin covers the half tick by which a follower reports its clients late to the leader. docs/guarantees.md names what
// this does not cover. When the machine was suspended for longer than the margin since the last answer, trust is void until the
// next answer. On Linux that is told by two clocks that cannot be set, elsewhere by the wall clock.
//
// A connection can be up without trust, because both clocks count from when the handshake was sent. This is a handshake of 0.9 T:
//
//	sent                  T - margin     answered                                       1.9 T
//	  |-----------------------|-------------|---------------------------------------------|
//	  Connecting, Lost or Suspended         Connected or Reconnected                      Suspended and Lost, unless
//	                          claims end    an exists is sent; its answer restores trust  something was answered before
//
// A connection opens late if less than T/3 of trust is left when its handshake is answered. The answer to the first ping would come too
// late then, so the client sends an exists at once. Operations are sent as on any connection. A claim needs trust as always: it
// ends with [ErrUntrusted] while trust is missing. The connection is not replaced because trust is missing, and its session
// counts as lost T after the handshake was answered, unless something else was answered before. If the connection breaks, T counts from
// the sending of the handshake again.
//
// The bytes of a long reply say that the server is at work, although they prove nothing about the session. While they arrive, claims
// end with trust, but the connection is not replaced and the session does not count as lost.
//
// A process that was stopped may run on before its timers do. The contexts of [Session.ClaimContext] and [Session.Context] therefore look
// at the clocks whenever they are asked, and so do those of [WithCancelCause].
//
// Once an epoch is lost it is fenced for good: its connection refuses to dial, a link that the server would still have
// resumed is closed, and operations on its [Session] return [ErrSessionLost].
//
// # Restarts
//
// The servers keep the session of a process that has died until its timeout has passed, and with it the process's locks, leaderships
// and registrations. With [Config.SessionFile], the process that is started next ends that session at once:
//
//	                   lock is free                                closed, or over already
//	New ---> lock file -------------> resume the old session, ------------------------------> Connecting as always, with a
//	             |                    close it                                                new session
//	             | lock is held                |
//	             v                             | a server has accepted a connection, and the old session's
//	    ErrSessionFileInUse                    | timeout (2 min at most) has passed since
//	                                           v
//	                                  go on as above; the old session is left to expire
//
// The client writes each of its sessions to the file before anything is sent in it, and keeps the file locked until it is closed. So
// a process that gets the lock knows that the one before it has ended. A process that is stopped, with SIGSTOP for example, or whose
// container is paused keeps the lock. The second client gets [ErrSessionFileInUse] then, and should try again later. Close
// removes the session from the file, if a server has confirmed that it is over.
//
// The new session begins after the old one has ended, so its recipes never queue behind nodes of the old one. The state is
// Connecting until then. As long as no server accepts a connection, the client waits for one, because a new session could not
// begin either. If the old session has to be left to expire, the log says so, and [Session.Former] reports true for it.
//
// The file holds the session's password, which lets others close the session. It is created with mode 0600. A file that exists must belong
// to the user of the process, and its mode is changed to 0600; on Windows the directory decides who can read it. New returns an error
// for a symbolic link, and for a file that holds something else. It ignores a damaged record, a copy of another file, and a record
// from before the machine was restarted, and the log says so: the old session then expires as it would without the file. A file
// that cannot be written does not hold up the client. Health has a notice of it.
//
// The file holds the latest session. Sessions that the dead process itself had lost before expire as they would have.
//
// Restarts are only that quick on servers that resume sessions. ClickHouse Keeper does not; the client goes on at once there, and the old session
// expires.
//
// # Identities
//
// A connection begins with the client certificate, [Config.SASL] and [Config.Auth], in this order. [Client.AddAuth] adds an identity to
// the present connection and to all later ones. A connection cannot drop an identity, so [Client.SetAuth] moves the session
// to a new one, as [Client.Reconnect] does:
//
//	new connection    dial, TLS                                          handshake, SASL, Auth
//	old connection    serves      answers what was sent     closed
//	operations        sent        wait                                                         sent
//	state             Connected                                                                Reconnected
//
// Nothing that is held ends in a move, whatever its policy says about SUSPENDED: the session is the same, the servers have just answered, and trust
// is counted as always. If the new connection cannot be opened, the old one stays. If it breaks, or has not got the session after T/6, the
// state is Suspended as after any other break.
//
// A client that the servers do not accept gets an [*AuthError], which says what to do: in [Client.WaitConnected], in errors of operations,
// in [Client.Info], in [Client.Health] and in the log. docs/security.md has the list.
//
// # Recipes
//
// A recipe is a sequential function of one session, run by [Client.Run] under a [Policy]. Its context ends, with the
// reason as [context.Cause], when the policy says so; it is called again on the next session when the policy says [Rebuild].
//
//	err := cli.Run(ctx, framework.Recipe{
//		Name:   "worker",
//		Path:   "/workers",
//		Policy: framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild},
//		Run: func(ctx context.Context, s *framework.Session) error {
//			_, err := s.Create(ctx, "/workers/w-", nil, framework.EphemeralSequential, framework.Protected, framework.Parents)
//			if err != nil {
//				return err
//			}
//			<-ctx.Done() // the session is gone, or the caller is
//			return context.Cause(ctx)
//		},
//	})
//
// A recipe of your own can use everything in this package. The example "Queue" is a fair queue with a claim. docs/design.md lists
// what serves which purpose.
//
// # Operations
//
// The operations of [Client] run on whatever session is current and those of [Session] on that one only. Both honour ctx at
// all times: waiting happens at a gate of this package, and a call whose ctx ends leaves at once. An operation is tried
// again according to what is known of its outcome:
//
//   - certainly not sent: always;
//   - may have been applied: reads again; writes are looked at first (behind a sync, so that a lagging server cannot
//     answer from the past) and repeated only when they certainly were not applied. What cannot be decided returns
//     [ErrOutcomeUnknown]; nothing is ever silently applied twice. [Idempotent] opts out of the question.
//     [SafeToRetry] tells whether an error says that nothing was applied.
//
// A session that the client counts as lost may still live on the servers, and a request that a network has held back may
// still be applied in it. Seen from the next session, a write that must not be applied twice is therefore unknown until the
// servers have said that the old session is over.
//
// [Client] operations are bounded by [Config.RetryPolicy] and, when ctx has no deadline, by [Config.OperationTimeout].
// [Session] operations go on for as long as the session may live, but not over a server that answers other requests and not this
// one: they return within three session timeouts then. Both give up a request that is too large, or whose answer is, for the
// servers or for the client ([ErrTooLarge], [ErrReplyRefused]). Data belongs to the caller again when the call
// returns.
//
// Errors are [*OpError] with the path and a sentinel to test with errors.Is, ours or go-zookeeper's: they are the same values.
//
// # Capabilities
//
// Not every server knows every kind of request: ZooKeeper has learnt some over the years, and other servers that speak its protocol
// leave some out. The client learns that from the answers, once for all of its sessions, recipes and caches:
//
//	request                      since    without it
//	create2                      3.5.0    create, followed by an exists
//	createContainer              3.5.3    parents are persistent nodes; a node of mode Container is ErrUnsupported
//	createTTL                    3.5.3    ErrUnsupported
//	addWatch                     3.6.0    ErrUnsupported; caches use one-shot watches
//	setWatches, setWatches2      3.3, 3.6 each watch is set again by itself
//	multiRead                    3.6.0    each node is read by itself
//	removeWatches                3.5.0    watches that nobody needs stay on the server
//	getEphemerals                3.6.0    ErrUnsupported
//	getAllChildrenNumber         3.6.0    ErrUnsupported; Walk can count
//	whoAmI                       3.7.0    ErrUnsupported
//
// A server that does not know a request answers that it is not implemented, or closes the connection without an answer. The rule:
//
//   - The answer "not implemented" settles it.
//   - When a connection ends over an unanswered request, the request comes under suspicion. So do all others of its kind. A
//     suspected request is sent alone: other requests wait until it is answered, or the connection ends. If the connection
//     ends then, the servers count as not knowing the kind. If the kind has been answered before, it takes one more such end.
//   - Any other answer shows that the servers know the kind, and ends the suspicion.
//   - What the servers do not know, they may know after an upgrade. The client tries the kind again when an hour has passed and there has
//     been a new connection in that time, other than the one that followed from the failure itself. The request is sent alone. If it fails, another hour
//     begins.
//
// So a kind of request that servers close the connection over costs two connections, or three, and later one in an hour at most.
// The log says once what the servers do not know. [Client.Info] lists it, and so does package debugpage.
//
// A request that is too long for the servers gets the same treatment, but for itself alone: one of more than 64 KiB is
// [ErrTooLarge] when three connections have ended over it, two of them while it was alone.
//
// # Servers
//
// The servers are those of [Config].ConnectString. A name with several addresses counts as that many servers. Names are resolved at each dial, and
// again every ServersRefresh. [Config].Servers replaces the list: a function, DNS service records ([SRV]), or a registry of your own. With
// FollowEnsemble the list is the one that the ensemble publishes in /zookeeper/config, from the moment in which a member serves this client under the
// address given there.
//
// A list that is empty, malformed or cannot be read changes nothing, and the log says so once. When a good list differs from the one before, as many
// clients move as are needed to keep the servers even, and no more:
//
//	the server of this client          servers before and after     the client
//	is listed, by name or address      not more than before         stays
//	is listed, by name or address      more than before             moves with probability 1 - before/after
//	is not listed                                                   moves
//
// This is the rule of the Java client (ZOOKEEPER-1355). A name that is resolved for the first time does not count as a change. With [Config].Prefer the
// rule counts preferred servers only, and a client moves back to a preferred server when one can be reached.
//
// With RebalanceAfter every session has a place. It is the server that the session id selects: servers number their sessions consecutively, so
// the places of sessions are even, without a client knowing how many others a server has. When the list changes, the place moves by the rule above. A
// client that has begun a session or lost a connection moves to its place. So a rolling restart leaves each server with the clients that it had.
//
// All these moves are planned. The client dials the new server first, lets what was sent be answered, and then changes to the new connection in the
// same session. The state goes from Connected to [Reconnected] without SUSPENDED, and everything that is held stays. If the new server cannot be
// reached, the client stays where it is, and tries again. If the new server takes the connection and not the session, as a server does that is starting,
// the client dials others. The state becomes SUSPENDED only if no server has the session a sixth of its timeout after the old connection was left. The next try
// comes later after each such failure, up to 16 times ServersRefresh.
//
// A move waits while the session holds a claim that SUSPENDED would end ([Cancel]), because servers can fail in the moment of the move. The moves of
// many clients for the same reason are spread over ServersRefresh, or over RebalanceAfter.
//
// After a connection was lost, the first dial waits for a random moment of up to 1/200 of the session timeout (75 ms with the default), so that
// the clients of a server that died do not all reach the next one at once.
//
// # Health
//
// [Client.Health] says whether a client and everything that runs on it is well, and if not, why and since when, in sentences;
// package health serves it to probes. A blip is no reason. What is wrong becomes one when it has lasted for a bound, T unless
// [HealthBounds] say otherwise:
//
//	what is wrong                                          counted from                          reason after   restart after
//	no server answers (connection away, or hanging)        the last request that was answered    Silence  T     -
//	operations fail or are not answered, although a        the first of them, or the last       Silence  T     -
//	  server answers handshakes or pings                     operation that was answered
//	one operation is not answered, although others are     the loss of its first reply           Silence  T     -
//	a recipe is not well: a node does not stand, a cache   its first report of that              Unwell   T     -
//	  is stale, what it asks for is refused, a claim has
//	  ended and was not given up (Unlock is missing)
//	only a read-only server has been found: a notice       the beginning of its session          Silence  T     -
//	a value was rejected, and the last good value stays    its first report of that              Unwell   T     -
//	  in use: a notice, which does not count against Ready
//	a leader function goes on after its term               the end of the term                   Unwell   T     Stuck  4T
//	the client has missed its own clocks: still Connected  when it should have acted             Stuck   4T     Stuck  4T
//	  after TrustedUntil, still Suspended after Lost
//	the client was closed                                  that                                  at once        -
//
// A network that swallows everything makes a client not ready T after its last answered request, so within T of the moment
// when the network broke; a connection that is away for less than two thirds of T never does, because an idle client asks
// a server every third. Answers to pings keep a session, and trust in it counts them. Readiness needs an operation that was
// answered: while operations fail, or none was answered for half of T although some are wanted, the client sends about one
// exists per T of its own, until an operation is answered. It sends none while all is well, and none while nobody wants anything: a
// server that answers nothing but pings is noticed with the first operation. What a restart of the process would not cure is never a reason for one.
//
// # Watches
//
// [Session.WatchData], [Session.WatchExists] and [Session.WatchChildren] read and watch in one step. A [Watch] fires exactly
// once, with the event or with the end of its session, unless it is stopped. All watches of one kind on one path share a
// single watch on the server, and one whose last user left is kept for the next, because to take it back would
// cost a request each time: what is left behind is bounded by the number of paths, not of calls.
//
// An event can get lost on its way, at a server that forgets a watch for example. So a [Watch] that somebody waits for is checked
// about every 10 session timeouts, jittered by 20 %, and fires if its node is not what it was when the watch was set. A waiter
// whose event does not come is therefore late by 12 timeouts at most. The check costs one exists for each watched path and 10
// timeouts, however many watches there are on the path; no data and no list of children is read. Checks are spread over time
// and sent one after the other. Watches without users are not checked.
//
// [Session.WatchTree] watches a node and everything below it with one watch that stays, on servers since ZooKeeper 3.6. It
// tells what happened where, in order, and says so when something may have been missed: see [TreeWatch].
//
// [Session.ChangedSince] asks which of many nodes have changed since a transaction, in a few requests, in any session: a copy
// that knows up to where it is complete ([TreeWatch.Zxid]) reads after a reset, or in the next session, only what has changed.
package framework
