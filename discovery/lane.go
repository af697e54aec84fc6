package discovery

import (
	"sync/atomic"
	"unsafe"
)

const (
	laneBits = 3
	// lanes is how many callers can count at the same time without contention.
	lanes = 1 << laneBits
	// line is the size of a cache line, in bytes.
	line = 64
)

// lane returns the lane of the calling goroutine. It is derived from the address of the goroutine's stack, so it costs
// nothing, and calls from one loop have the same lane. Correctness does not depend on it: two goroutines may share a
// lane, and a goroutine may change it.
func lane() int {
	var here byte
	block := uint64(uintptr(unsafe.Pointer(&here)) >> 11) // the size of the smallest stack
	const golden = 0x9E3779B97F4A7C15                     // spreads adjacent stacks
	return int(block * golden >> (64 - laneBits))
}

// tally counts the uses of a few instances. Each lane has its own cache line.
type tally [lanes][line / 8]atomic.Int64

// uses is the counter of one instance.
type uses struct {
	tally *tally
	at    int
}

func (u uses) add(lane int, n int64) { u.tally[lane&(lanes-1)][u.at&(line/8-1)].Add(n) }

// sum is exact while no other goroutine adds.
func (u uses) sum() int64 {
	var n int64
	for i := range u.tally {
		n += u.tally[i][u.at].Load()
	}
	return n
}

// tallies hands out counters.
type tallies struct{ next uses }

func (t *tallies) take() uses {
	if t.next.tally == nil || t.next.at == len(t.next.tally[0]) {
		t.next = uses{tally: new(tally)}
	}
	u := t.next
	t.next.at++
	return u
}
