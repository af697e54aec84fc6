package discovery

import "sync/atomic"

// turns hands out consecutive numbers, each exactly once. Callers that contend for the next number take a block of
// numbers for their lane, and so contend once for each block.
type turns struct {
	next  counter
	lanes [lanes]counter // the rest of a block: the next number in the upper bits, and how many are left in the lower 8
}

// counter has its own cache line.
type counter struct {
	atomic.Uint64
	_ [line - 8]byte
}

const (
	// block is how many numbers a caller takes under contention. What is left of them fits beside busy.
	block = 64
	// busy replaces the number of numbers left while a goroutine takes a block.
	busy = 0xff
	// maxStart bounds the first number, so that no number needs more than 56 bits.
	maxStart = 1 << 48
)

func newTurns(first uint64) *turns {
	t := &turns{}
	t.next.Store(first % maxStart)
	return t
}

// take returns a number: the next one, unless the lane has a block.
func (t *turns) take(lane int) uint64 {
	own := &t.lanes[lane&(lanes-1)]
	rest := own.Load()
	switch left := rest & busy; {
	case left == 0:
	case left != busy && own.CompareAndSwap(rest, rest+1<<8-1):
		return rest >> 8
	default: // another goroutine uses the same lane
		return t.next.Add(1) - 1
	}
	n := t.next.Load()
	if t.next.CompareAndSwap(n, n+1) {
		return n
	}
	return t.refill(own, rest)
}

// refill takes a block for a lane that has no numbers left, and returns its first number.
func (t *turns) refill(own *counter, rest uint64) uint64 {
	if !own.CompareAndSwap(rest, rest|busy) {
		return t.next.Add(1) - 1
	}
	n := t.next.Add(block) - block
	own.Store((n+1)<<8 | (block - 1))
	return n
}
