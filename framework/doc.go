// Package framework is the ZooKeeper client that all docent recipes are built on. It represents each session as an object, delivers every
// change of the connection state to every subscriber, reports whether an interrupted operation was applied, and runs a recipe once per
// session.
//
// # Why
//
// Everything a recipe owns on ZooKeeper (ephemeral nodes, watches, trust in what it has read) belongs to one session and
// ends with it. A client breaks its locks if work meant for one session runs in the next one, or if it learns too late that its
// session is over. So each session is an object of its own, a [Session], and has a number, its epoch. Work of one epoch never runs in
// another.
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
// Connected is the first state of every session, except for sessions of read-only servers (see Read-only servers). Reconnected means
// that the same session continues after Suspended. After a planned move of the session to another connection (see Identities),
// Reconnected follows Connected or Reconnected directly. Suspended always comes before Lost, and Lost of one epoch always comes before
// Connected of the next. Every [StateChange] carries the previous state, the epoch, the time and the cause. Each subscriber of
// [Client.States] has its own ordered queue. Nothing in a queue is dropped, and a subscriber that does not read delays no other.
//
// # Read-only servers
//
// A member that has lost contact with the majority of its ensemble can continue to serve reads. It needs the setting readonlymode.enabled.
// Since ZooKeeper 3.7 it also needs localSessionsEnabled, to start sessions by itself. It begins about two seconds after it has lost its
// leader, and serves only new sessions of clients that accept a read-only server. A client accepts one if [Config.ReadOnly] is set:
//
//	                   a full server answers
//	Connecting, Lost ---------------------------------------------> Connected
//	        |   ^
//	        |   +---- Lost <-- Suspended <----+
//	        |                                 | a full server was found, or the link broke
//	        +-------------------------> ReadOnly
//	           every server was tried, and a read-only one answers
//
// A session belongs either to full servers or to one read-only server, and never moves from one kind to the other. A session that began on
// a full server waits in Suspended for a full server. It is kept if a full server answers within T. (Servers in read-only mode refuse the
// session, and could not prolong it.) When the session is lost, the next one may begin on a read-only server. A read-only session ends
// with its connection. The consequences are:
//
//   - Claims end before the state becomes ReadOnly, because of SUSPENDED, trust or LOST as usual. A read-only session owns no nodes and is
//     never trusted: its [Session.ClaimContext] ends at once with [ErrUntrusted].
//   - Reads and watches of a [Client] are served. They may show an old state. They may also show transactions that are undone when the
//     member finds a leader. The client does not accept a read-only server that is behind what the client has already seen.
//   - Writes and Sync return [ErrNotReadOnly] at once and are not sent. A write that was sent earlier and whose outcome is unknown waits for
//     a full server.
//   - A recipe waits for the next full session, unless its policy says [Serve] ([Policy].OnReadOnly). Caches and views of services say
//     Serve: they serve what they have, marked stale, and load from the read-only server if they have nothing. [Session.ReadOnly] reports
//     which kind of session a recipe runs in.
//   - Ephemeral nodes of the previous session stay on the servers. The servers end that session T after they have a leader again. Recipes
//     replace such nodes as they do after any lost session.
//
// While the state is ReadOnly, the client tries its servers in turn, with the pauses of [Config.ReconnectPolicy]. Each attempt is a
// handshake that does not accept a read-only server. If a full server starts a session for the attempt, the client closes that session at
// once. Suspended, Lost and Connected then follow without a pause. Everything that was read in the read-only session is read again, and
// caches report the differences.
//
// # Two clocks
//
// Let T be the negotiated session timeout, and let "sent" be the time at which the client sent the last request that has been answered.
// Two deadlines count from "sent", on the monotonic clock:
//
//   - Trust in the session ends at sent + T - margin. [Session.TrustedUntil] returns that time. The margin is [Config.TrustMargin], a quarter
//     of T by default. Whatever is held through the session, a claim, is given up no later, whatever the policy says. A connection that has
//     been silent for that long is replaced.
//   - The state becomes Lost at sent + T at the latest, or as soon as a server says that the session has expired.
//
// A server lets a session expire no earlier than T after it last heard from the session, and it cannot have heard the request before the
// request was sent. So Lost is never later than the expiry on the server that keeps the session, if both clocks run at the same rate. The
// margin covers the half tick by which a follower reports its clients late to the leader. docs/guarantees.md lists what this does not
// cover. If the machine was suspended for longer than the margin since the last reply, there is no trust until the next reply. On Linux
// docent detects this from two clocks that cannot be set, and elsewhere from the wall clock.
//
// A connection can be up without trust, because both deadlines count from the time when the handshake was sent. This is a handshake that
// took 0.9 T:
//
//	sent                  T - margin     answered                                       1.9 T
//	  |-----------------------|-------------|---------------------------------------------|
//	  Connecting, Lost or Suspended         Connected or Reconnected                      Suspended and Lost, unless
//	                          claims end    an exists is sent; its reply restores trust   another reply came before
//
// A connection opens late if less than T/3 of trust is left when its handshake is answered. The reply to the first ping would then come too
// late, so the client sends an exists at once. Operations are sent as on any connection. A claim ends with [ErrUntrusted] while trust is
// missing. Missing trust alone does not make the client replace the connection. The session counts as lost T after the handshake was
// answered, unless another reply arrived before. If the connection breaks, T counts from the sending of the handshake again.
//
// The bytes of a long reply show that the server is working, but prove nothing about the session. While they arrive, claims still end
// when trust ends, but the connection is not replaced and the session does not count as lost.
//
// When a stopped process continues, its code may run before its timers fire. The contexts of [Session.ClaimContext], [Session.Context] and
// [WithCancelCause] therefore check the clocks on every call of Err.
//
// A lost epoch cannot come back. Its connection refuses to dial, a connection that the server would still have resumed is closed, and
// operations on its [Session] return [ErrSessionLost].
//
// # Restarts
//
// When a process dies, the servers keep its session until the timeout has passed, together with its locks, leaderships and registrations.
// With [Config.SessionFile], the next process ends that session at once:
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
// The client writes each of its sessions to the file before it sends anything in that session. It keeps the file locked until it is closed.
// So a process that gets the lock knows that the previous process has ended. A process that is stopped, by SIGSTOP or because its container
// is paused, keeps the lock. Another client then gets [ErrSessionFileInUse] and should try again later. Close removes the session from the
// file if a server has confirmed that the session is over.
//
// The new session begins after the old one has ended, so its recipes never queue behind nodes of the old session. The state is Connecting
// until then. As long as no server accepts a connection, the client waits, because a new session could not begin either. If the old session
// has to be left to expire, the log says so, and [Session.Former] reports true for it.
//
// The file holds the session's password, which lets others close the session. It is created with mode 0600. An existing file must belong
// to the user of the process, and its mode is changed to 0600. On Windows the directory decides who can read the file. New returns an error
// for a symbolic link, and for a file with other contents. It ignores a damaged record, a copy of another file, and a record
// from before a restart of the machine; the log says so, and the old session expires as it would without the file. A file that cannot be
// written does not stop the client. Health shows a notice.
//
// The file holds only the latest session. Sessions that the dead process had lost earlier expire by themselves.
//
// A restart is only that quick on servers that resume sessions. ClickHouse Keeper does not resume sessions: there the client continues at
// once, and the old session expires.
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
// No claim ends because of a move, whatever its policy says about SUSPENDED: the session is the same, the servers have just answered, and
// trust counts as always. If the new connection cannot be opened, the old one stays. If the new connection breaks, or does not have the
// session after T/6, the state becomes Suspended as after any other break.
//
// A client that the servers do not accept gets an [*AuthError] that says what to do. It appears in [Client.WaitConnected], in errors of
// operations, in [Client.Info], in [Client.Health] and in the log. docs/security.md lists the cases.
//
// # Recipes
//
// A recipe is a function that runs in one session. [Client.Run] calls it under a [Policy]. The policy decides when the context of the
// function ends; [context.Cause] returns the reason. With [Rebuild], the function is called again in the next session.
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
// The operations of [Client] run in the current session, and the operations of a [Session] in that session only. Both return at once when
// ctx ends, at every stage. After a failure, what is known about the outcome decides about a retry:
//
//   - An operation that was certainly not sent is always retried.
//   - A read that may have been served is read again.
//   - A write that may have been applied is checked first. The check reads behind a sync, so that a lagging server cannot answer with an
//     old state. The write is repeated only if it certainly was not applied. If the check cannot decide, the operation returns
//     [ErrOutcomeUnknown]. No write is applied twice without notice. [Idempotent] skips the check.
//
// [SafeToRetry] reports whether an error guarantees that nothing was applied.
//
// A session that the client counts as lost may still exist on the servers, and a delayed request may still be applied in it. The outcome of
// a write that must not be applied twice is therefore unknown in the next session until the servers have said that the old session is over.
//
// [Client] operations are bounded by [Config.RetryPolicy] and, if ctx has no deadline, by [Config.OperationTimeout]. [Session] operations
// continue for as long as the session may live. The exception is a server that answers other requests but not this one: the operation then
// returns within three session timeouts. Both kinds of operation give up if the request is too large for the servers ([ErrTooLarge]), or
// its reply too large for the client ([ErrReplyRefused]). Data belongs to the caller again when the call returns.
//
// Errors are of type [*OpError]. Each has the path and a sentinel to test with errors.Is. The sentinels are docent's or go-zookeeper's,
// which are the same values.
//
// # Capabilities
//
// Not every server knows every kind of request. ZooKeeper gained some over the years, and other servers that speak its protocol leave
// some out. The client learns this from the replies, once for all of its sessions, recipes and caches:
//
//	request                      since    without it
//	create2                      3.5.0    create, followed by an exists
//	createContainer              3.5.3    parents are persistent nodes; a node of mode Container is ErrUnsupported
//	createTTL                    3.5.3    ErrUnsupported
//	addWatch                     3.6.0    ErrUnsupported; caches use one-shot watches
//	setWatches, setWatches2      3.3, 3.6 each watch is set again by itself
//	multiRead                    3.6.0    each node is read by itself
//	removeWatches                3.5.0    watches that are no longer needed stay on the server
//	getEphemerals                3.6.0    ErrUnsupported
//	getAllChildrenNumber         3.6.0    ErrUnsupported; Walk can count
//	whoAmI                       3.7.0    ErrUnsupported
//
// A server that does not know a request replies that it is not implemented, or closes the connection without a reply. The client decides
// by these rules:
//
//   - If the reply is "not implemented", the servers do not know the kind.
//   - If a connection ends while a request is unanswered, the client suspects all requests of that kind. It sends a suspected request
//     alone: other requests wait until that one is answered or the connection ends. If the connection ends again, the servers count as not
//     knowing the kind. If requests of the kind have been answered before, this takes one more lost connection.
//   - Any other reply shows that the servers know the kind, and ends the suspicion.
//   - The servers may know the kind after an upgrade. The client tries it again when an hour has passed and it has opened a new connection
//     in that time. The connection that replaced the failed one does not count. The request is sent alone. If it fails, another hour begins.
//
// So a kind of request that makes servers close the connection costs two or three connections at first, and later at most one in an hour.
// The log says once what the servers do not know. [Client.Info] and package debugpage list it.
//
// A request that is too long for the servers is treated in the same way, but on its own: a request of more than 64 KiB fails with
// [ErrTooLarge] when three connections have ended while it was unanswered, two of them while it was alone.
//
// # Servers
//
// [Config].ConnectString lists the servers. A name with several addresses counts as that many servers. Names are resolved at each dial, and
// again every ServersRefresh. [Config].Servers replaces the list with a function, DNS service records ([SRV]), or your own registry. With
// FollowEnsemble the client uses the list that the ensemble publishes in /zookeeper/config. It begins to use that list once a member serves
// this client under the address that the list gives for it.
//
// A list that is empty, malformed or cannot be read changes nothing, and the log says so once. When a good list differs from the previous
// one, only as many clients move as are needed to keep the load of the servers even:
//
//	the server of this client          servers before and after     the client
//	is listed, by name or address      not more than before         stays
//	is listed, by name or address      more than before             moves with probability 1 - before/after
//	is not listed                                                   moves
//
// This is the rule of the Java client (ZOOKEEPER-1355). Resolving a name for the first time does not count as a change. With
// [Config].Prefer the rule counts preferred servers only, and a client moves back to a preferred server when it can reach one.
//
// With RebalanceAfter each session is assigned to a server, by its id. Servers number their sessions consecutively, so the
// assignment is even although no client knows how many clients each server has. When the list changes, the assignment changes by the rule
// above. A client that has begun a session or lost a connection moves to its assigned server. So after a rolling restart each server has
// the clients that it had before.
//
// All these moves are planned. The client dials the new server first, waits for outstanding replies, and then continues the same session on
// the new connection. The state goes from Connected to [Reconnected] without SUSPENDED, and all claims stay. If the new server cannot be
// reached, the client stays where it is and tries again. A server that is starting may accept the connection and refuse the session. The
// client then dials other servers. The state becomes SUSPENDED only if no server has the session within a sixth of the session timeout
// after the client left the old connection. After each such failure the client waits longer before the next move, up to 16 times
// ServersRefresh.
//
// A move waits while the session holds a claim that SUSPENDED would end ([Cancel]), because a server can fail during the move. If many
// clients move for the same reason, their moves are spread over ServersRefresh, or over RebalanceAfter.
//
// After a connection is lost, the client waits for a random time before the first dial, at most 1/200 of the session timeout (75 ms with the
// default). So the clients of a server that failed do not all reach the next server at once.
//
// # Health
//
// [Client.Health] reports whether a client and everything that runs on it work, and if not, why and since when, in sentences.
// Package health serves the report to probes. A brief disconnection does not count. A problem is reported once it has lasted longer than
// its bound, T unless [HealthBounds] say otherwise:
//
//	problem                                                counted from                          reported after restart after
//	no server answers (connection away, or hanging)        the last request that was answered    Silence  T     -
//	operations fail or are not answered, although a        the first of them, or the last       Silence  T     -
//	  server answers handshakes or pings                     operation that was answered
//	one operation is not answered, although others are     the loss of its first reply           Silence  T     -
//	a recipe reports a problem: its node is missing, its   its first report of the problem       Unwell   T     -
//	  cache is stale, the servers refuse its requests,
//	  its claim has ended and was not released (no Unlock)
//	only a read-only server has been found: a notice       the beginning of its session          Silence  T     -
//	a value was rejected, and the last good value stays    its first report of the value         Unwell   T     -
//	  in use: a notice, which does not count against Ready
//	a leader function runs on after its term               the end of the term                   Unwell   T     Stuck  4T
//	the client has missed its own deadlines: still         when it should have acted             Stuck   4T     Stuck  4T
//	  Connected after TrustedUntil, or Suspended after Lost
//	the client was closed                                  the call of Close                     at once        -
//
// If a network drops everything, the client is not ready T after its last answered request, and so within T of the moment when the
// network broke. A client that is disconnected for less than two thirds of T stays ready, because an idle client sends a ping every third
// of T. Replies to pings keep the session alive, and count for trust. They do not count for readiness, which needs a reply to an operation.
// The client sends an exists of its own, about one per T, while operations fail, or while operations are waiting and none has been answered
// for half of T. It stops when an operation is answered. It sends none while there are no operations, so a server that answers only pings
// is noticed with the first operation. A problem that a restart of the process would not cure never causes a restart.
//
// # Watches
//
// [Session.WatchData], [Session.WatchExists] and [Session.WatchChildren] read a node and set a watch in one step. A [Watch] fires exactly
// once, with the event or with the end of its session, unless it is stopped. All watches of one kind on one path share a
// single watch on the server. When the last of them is stopped, the watch stays on the server for about two session timeouts, for the next
// caller, because recipes often watch the same path again. Then the client removes it with removeWatches. Servers that do not know this request keep the watch
// until it fires or the connection ends, at most one for each path.
//
// An event can get lost, for example at a server that loses a watch. So a [Watch] in use is checked about every 10 session
// timeouts, with a jitter of 20 %. It fires if its node has changed since the watch was set. A caller whose event was lost is
// therefore notified at most 12 timeouts late. The check costs one exists for each watched path every 10 timeouts, however many watches
// there are on the path. It reads no data and no list of children. Checks are spread over time and sent one after the other. Watches
// that are not in use are not checked.
//
// [Session.WatchTree] sets a recursive watch: one watch that covers a node and everything below it, and stays after an event. Servers have
// it since ZooKeeper 3.6. It delivers the events in order, and reports when some may have been missed: see [TreeWatch].
//
// [Session.ChangedSince] finds out which of many nodes have changed since a given transaction, with a few requests, in any session. A copy
// of many nodes knows up to which transaction it is complete ([TreeWatch.Zxid]). After a reset, or in the next session, it reads only the
// nodes that have changed.
package framework
