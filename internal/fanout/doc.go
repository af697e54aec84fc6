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
//     values, then everything published after Subscribe, and nothing else. Who
//     publishes and subscribes under one lock therefore subscribes atomically
//     with the current value.
//   - A delivered value is no longer referenced, and a queue that has grown
//     gives its memory back while it drains.
//   - Every goroutine belongs to one subscription and ends with it; Wait and
//     Shutdown wait for them.
//
// # Price
//
// Nothing bounds a queue but the memory of the process. That is the right trade
// for values which are small, rare, and must not be lost, such as changes of a
// connection's state; it is the wrong one for a stream of data.
package fanout
