// Package histories records what clients of locks, semaphores and counters saw during faults, and checks with porcupine that the history is
// linearizable: that a single lock, semaphore or counter could have given the same answers.
//
//	go test ./...                                       # a handful of seeds of each play, and real ZooKeeper
//	go test -run TestMutex -histories.seeds 2000 ./...  # more
//	go test -run TestCut -histories.allcuts ./...       # a cut at each frame, and not at a sample of them
//	go test -run TestMutex -seed 17 -v ./...            # one again, with the server's trace
//
// It is a separate module, so that porcupine is not a dependency of docent. An illegal history is written as a web page to the
// directory for temporary files; the failure names the page.
//
// # Contents
//
//	Recorder     operations with the times of their calls and returns; what never returned stays open
//	Judge        porcupine, and the page
//	Locks        the model of a mutex and of a readers-writer lock, with fencing tokens and a register that holders write
//	Permits      the model of a semaphore
//	Counting     the model of a counter
//	Ground       clients and what can happen to them: on zktest in a bubble, or on real ZooKeeper behind proxies
//	Trouble      a schedule of faults, drawn from a seed
//	LockPlay, PermitPlay, CountPlay
//	             several clients that use one thing during the trouble, and some time after it
//
// # Operations
//
// The interval of an operation runs from the call to the return, on the bubble's clock or on the monotonic one. In the model the operation takes effect
// at one moment in this interval. Its result decides how it is recorded:
//
//	returned a result         it took effect in its interval, with this result
//	a definite error          it had none, and is not part of the history. If it had one after all, what others saw
//	                          cannot be explained without it
//	ErrOutcomeUnknown         open: it returns at infinity, behind everything else. So it may take effect at any moment
//	                          since the call, or behind the last thing that anybody saw, which is the same as never. The
//	                          model asks for no particular result of it
//
// After an open operation, the client continues under another number, because the operation may still take effect.
//
// # Holding
//
// A holder stops when its context ends. So a tenure is two operations: the acquisition, somewhere between call and return,
// and the end of the context, at one moment, which is noted at the latest before Unlock is called. Two holders are then an
// acquisition that returned before the other one's end, and no order explains that.
//
// Ending a session by force is also an operation (Kill). The claims of the session are free from then on, and the holder cannot know this
// yet. No client can prevent this overlap. Guarded writes protect against it: a write must be refused if the holder's node is gone or if it
// has a successor. A write that was sent in time may be applied after the end of the context, as long as nobody else has acquired.
//
// # Limits that change
//
// The servers do not know semaphores: a contender reads the limit at one moment, and the nodes in the pool at another. So when the limit
// shrinks, a call in progress may still succeed under the limit that it saw. In the model an acquisition may use any limit that was set at
// some moment of its interval.
//
// # Checks of the checker
//
// Broken clients run the same schedules (Mutant), and porcupine must find their histories illegal: a holder that ignores its context, a
// former holder that writes without the guard, tokens of a client's own, a semaphore with a permit too many, a
// counter that repeats what may have been applied, and one that takes an unknown outcome for a failure.
package histories
