// Package sim runs docent's recipes against zktest's network in memory under seeded faults, and judges what they did.
//
// Everything happens inside a testing/synctest bubble: half a minute of session timeout takes microseconds, and a seed
// replays. The tests of this package draw seeds; a failure names the seed, and
//
//	go test ./internal/sim -run TestName -seed N -v
//
// plays it again with the server's trace.
//
// # What is in here
//
//	World      a server, its clients, one source of randomness for each of them
//	Tap        what a client's socket saw: when the last answered request was sent, independently of the client
//	Ledger     who held what and when, and whether that can be: at most one at a time, tokens that grow
//	Blackout   one holder, one waiter, a network that swallows packets: who stops when, who starts when
//	Cutter     numbers the frames of a run and cuts the connection at one of them
//	Play       several clients, locks and elections, random faults that stop, and what must be true then
//
// # Oracles
//
//   - Safety: two tenures of one lock never overlap, with the end of the context as the end of a tenure; and tokens grow from
//     tenure to tenure. What no client can know is excused: the node of a session that is killed before its time, a node that
//     somebody else deletes. From then on the tenure behind it does not count.
//   - Liveness: when the faults have stopped, everybody gets the lock once more, and every election has a leader, within
//     a bound.
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
// instant, the choice of select, and the driver's map of watches after a reconnect. So a black hole always replays, and a
// play in seven cases of eight. The race detector shuffles goroutines that are ready: a play that failed under it is to be
// played again without, or under it with -count 20.
package sim
