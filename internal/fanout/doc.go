// Package fanout delivers values in order and without loss, to readers that
// may be slow, to readers that never read, and to none.
//
// [Queue] is an unbounded first-in first-out queue between goroutines. [Hub]
// gives every subscriber a Queue of its own, so that each of them gets every
// value in the order of publication and a slow one delays only itself:
//
//	               +--> Queue --> owner goroutine --> chan T   (reads quickly)
//	Publish --> Hub --> Queue --> owner goroutine --> chan T   (reads slowly)
//	  never waits  +--> Queue --> owner goroutine --> chan T   (never reads)
//
// A subscription ends in one of three ways:
//
//	open --- ctx ends ----------------------> channel closed at once, rest dropped
//	  | ---- Hub.Shutdown ------------------> channel closed at once, rest dropped
//	  | ---- Hub.Close --> draining --------> channel closed when all has been read
//	                          | ctx ends, Shutdown: as above
//
// # Guarantees
//
//   - Publish and Push never wait for a reader.
//   - All subscribers see the same order: publications are serialised.
//   - Subscribe and Publish are ordered: a subscription gets its initial
//     values, then everything published after Subscribe, and nothing else. A caller
//     that publishes and subscribes under one lock therefore subscribes
//     atomically with the current value.
//   - A delivered value is no longer referenced, and a queue that has grown
//     gives its memory back while it drains.
//   - Every goroutine belongs to one subscription and ends with it; Wait and
//     Shutdown wait for them.
//
// # Limits
//
// Only the memory of the process bounds a queue. This suits small, rare values
// that must not be lost, such as changes of a connection's state. It does not
// suit a stream of data.
package fanout
