// Package histories records what clients of locks, semaphores and counters saw while things went wrong, and asks porcupine
// whether one lock, one semaphore, one counter in one place could have answered so: whether the history is linearizable.
//
//	go test ./...                                       # a handful of seeds of each play, and real ZooKeeper
//	go test -run TestMutex -histories.seeds 2000 ./...  # more
//	go test -run TestCut -histories.allcuts ./...       # a cut at each frame, and not at a sample of them
//	go test -run TestMutex -seed 17 -v ./...            # one again, with the server's trace
//
// It is a module of its own so that porcupine is no dependency of docent. An illegal history is written as a web page to the
// directory for temporary files; the failure names it.
//
// # What is in here
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
// # What an operation is
//
// Its interval runs from the call to the return, on the bubble's clock or on the monotonic one. The model lets it take effect
// at one moment in between. What an error means decides what becomes of it:
//
//	returned a result         it took effect in its interval, with this result
//	a definite error          it had none, and is not part of the history. If it had one after all, what others saw
//	                          cannot be explained without it
//	ErrOutcomeUnknown         open: it returns at infinity, behind everything else. So it may take effect at any moment
//	                          since the call, or behind the last thing that anybody saw, which is the same as never. The
//	                          model asks for no particular result of it
//
// Whoever left an operation open goes on under another number, as its old self may still be at it.
//
// # Holding
//
// A holder stops when its context ends. So a tenure is two operations: the acquisition, somewhere between call and return,
// and the end of the context, at one moment, which is noted at the latest before Unlock is called. Two holders are then an
// acquisition that returned before the other one's end, and no order explains that.
//
// A session that is ended by force is an operation, too (Kill): what it held is free from then on, and its holder cannot know
// yet. That is the one overlap that no client can prevent. It is also what the guarded write is for: a write by a
// holder whose node is gone, or who has a successor, must be refused, whatever the holder believes; and one that was
// sent in time may be applied behind the end of the context, as long as nobody else has been let in.
//
// # Limits that change
//
// The servers know no semaphore: a contender reads the limit and, at another moment, who is in the pool. So when the limit
// shrinks, a call that was under way may still succeed by the limit that it saw. The model allows an acquisition what was the
// limit at some moment of its interval, and no more.
//
// # Is it blind
//
// Broken clients play the same plays (Mutant), and porcupine must call them illegal: a holder that ignores its context, a
// former holder that writes without the guard, tokens of a client's own, a semaphore with a permit too many, a
// counter that repeats what may have been applied, and one that takes an unknown outcome for a failure.
package histories
