// Package sim runs docent's recipes against zktest's network in memory under seeded faults, and judges what they did.
//
// Everything happens inside a testing/synctest bubble: half a minute of session timeout takes microseconds, and a seed
// replays. The tests of this package draw seeds; a failure names the seed, and
//
//	go test ./internal/test/sim -run TestName -seed N -v
//	scripts/replay -run TestName -seed N -v
//
// plays it again with the server's trace, the second one in the same order each time. Longer plays:
//
//	make sim SEEDS=100000                                                           # in one process per processor, with the table
//	go test ./internal/test/sim -run 'TestPlay$' -sim.seeds 5000 -v -timeout 1h          # the same in one process
//	go test ./internal/test/sim -run 'TestPlay$' -sim.roles 'election,kept node'         # these two recipes in every play
//	go test ./internal/test/sim -run TestCutAtEveryFrame -sim.allcuts                    # every cut, not every ninth
//
// # What is in here
//
//	World      a server, its clients, one source of randomness for each of them
//	Log        the server's own account of its nodes: when each was created, and when and by whom it was deleted
//	Tap        what a client's socket saw: when the last answered request was sent, independently of the client
//	Ledger     who held what and when, and whether that can be: at most one at a time, tokens that grow
//	Blackout   one holder, one waiter, a network that swallows packets: who stops when, who starts when
//	Cutter     numbers the frames of a run and cuts the connection at one of them
//	Play       several clients that use recipes beside each other, random faults that stop, and what must be true then
//	Coverage   how often each option of each recipe met each kind of fault
//	history    every state of every node below a path, for recipes whose point is what nodes say
//
// # Roles
//
// A play has one or two roles of the cast. A role is one file. It has a part, which prepares what its users share, starts
// users on each client, and judges what they did. The part of a recipe whose users exclude each other is a contest: its file
// says how to acquire, and contest does the rest. To add a recipe, write its file and put it into the cast, with all of its
// options. To add a fault, put it into faultKinds.
//
// Faults of kinds that end a connection, hold it up or answer wrongly come from the server or the network. Others come from the client's own process:
// a logger, an exporter or listeners that block, and steps of the clock that shows for how long the machine was asleep.
//
// Each seed is about one pair of an option and a kind of fault: the play has that role and that fault, and its users choose that
// option more often than others. Consecutive seeds go through all pairs. TestSim fails if a pair was never played although there were
// two seeds for each.
//
//	mutex                 Lock, TryLock, Do, Revoke, Hold, Shared beside plain ones, guarded writes, all other options
//	hand-over             LocalHandover, on most clients
//	readers and writers   both kinds, Downgrade, Do, Shared
//	semaphore             one or several permits, a fixed limit or a shared one that changes
//	process               a lock of processes that die and are started again with their Config.SessionFile
//	several locks         Multi over some of three paths
//	election              Run, Campaign, Resign, ResignTo, Observe; LeaderLatch's and LeaderSelector's names and Shared
//	kept node             Keep in all modes, WithTTL, Protected, Replace, Set, Close
//	group                 Join, Set, Close; WatchMembers and Members on each client
//	barrier               Set and Remove by several operators, Wait
//	double barrier        one member on each client, round after round
//	counter               a number that is added to, one that is set, a value of bytes; Changes, Close
//	cache                 Tree and Children with both kinds of watches, listeners that copy, Value with three codecs
//	discovery             registrations of all types, views with each strategy, picks; three formats
//
// In one play of four, and whenever the play needs it, the server is an ensemble of three with read-only mode. Its members lag, lose each other,
// their leader and their quorum, and clients with Config.ReadOnly then read from the member that is left.
//
// Clients come to the same nodes by the whole path, below a namespace or below a chroot, and users name them by absolute
// or relative paths.
//
// # Oracles
//
//   - Safety: two tenures of one lock never overlap, with the end of the context as the end of a tenure, and tokens grow from
//     tenure to tenure. When somebody acquires, nobody whom it must wait for stands before it on the server. A tenure ends no
//     later than its session. A node that a fault deletes, or whose session a fault ends early, does not count from then on,
//     because no client can know.
//   - Truth: when Unlock, Resign, ResignTo or Do return nil, the server has deleted the node at the request of its owner, and
//     not before the call. Guarded writes are applied in the order of the tokens, while the writer's node stands, and exactly
//     as often as the writers were told.
//   - Transfers: behind the transaction of a successful ResignTo, the first node of the queue is the successor's.
//   - Observers see leaders that were the first of the queue at some time, in the order of their terms, and in the end that
//     nobody leads.
//   - Kept nodes: nothing but a fault or the end of a session makes the node absent, and in the end it stands once, with the
//     data that was set last.
//   - Barriers: they open only when all members are there and nobody is inside from the round before. Nobody comes out while
//     somebody is inside.
//   - Groups: each member that is seen was there with that payload, and none goes back. In the end everybody sees who is there.
//   - Barrier: when Wait returns nil, there was no node at some moment of the call. Set and Remove likewise.
//   - Counters: each state is made by one write, and each write was applied as often as its caller was told: once for nil, once at
//     most for ErrOutcomeUnknown, never for any other error. Versions and former values are those of the server. Changes gives
//     states that were, in order, and the last one.
//   - Caches: every node is a state that the node had, with its parent there, and none goes back. No node is absent that was never
//     gone. What is fresh has every change from before the connection began, and Sync and Refresh every one from before the call.
//     A copy made of a listener's events equals the cache in the end, and the cache the server.
//   - Discovery: a pick never fails, because one instance is always registered. What is picked or shown was registered, and in the end
//     views and copies made of Changes have what is registered.
//   - Subscribers: a slow subscriber of a client's states sees the same changes as a prompt one, each beginning where the one before
//     ended. A client's log is bounded. When all is calm each client's Health says so, and when nobody uses anything any more, no recipe
//     runs on it.
//   - Processes: in calm, a process that dies and is started again with the file of its session gets the locks back within half of a session
//     timeout. A second process with the file is refused as long as the first one runs.
//   - Planned moves: a client whose connections end by planned moves only is never Suspended.
//   - Liveness: when the faults have stopped, everybody gets what it wants once more within a bound.
//   - Rest: when everybody has let go, no node is left.
//   - Leaks: a bubble does not end while a goroutine of it is left.
//
// # Is it blind
//
// A harness that finds nothing proves little. So the same runs are judged by rules that other clients follow (count from
// the moment the break was noticed; wait for the server to say so; count from when the answer came), which must fail, and
// the recipes were broken on purpose, one thing at a time, to see that a seed finds it.
//
// # Determinism
//
// zktest gives every message an instant of its own, clients draw from sources derived from the seed, and the tests run
// with GOMAXPROCS(1). What is left to chance: the order of goroutines of one client that want something at the same
// instant, timers of one instant, the choice of select, the order of maps, and when the Go runtime lets another goroutine run. So a black hole
// always replays. A play replays in half of the cases, and in fewer on a busy machine.
//
// scripts/replay plays a seed with a runtime in which these follow from the seed, or do not happen. It changes a few lines of the installed Go
// and builds the tests with them. Of 100 plays, 95 replay there to the nanosecond (scripts/replay -run TestSeedsReplay -sim.seeds 100 -v).
// A play that failed without it need not fail with it, because it may have been played in another order: try neighbouring seeds, or
// go test with -count 20. The race detector shuffles goroutines that are ready.
package sim
