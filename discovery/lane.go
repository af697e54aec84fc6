package discovery

import (
	"sync/atomic"
	"unsafe"
)

const (
	laneBits = 3
	// lanes is how many callers can count at the same time without contending for the same memory.
	lanes = 1 << laneBits
	// line is the size of what processors exchange when they contend for memory, in bytes.
	line = 64
)

// lane returns the lane of the calling goroutine. It is derived from where the goroutine's stack is, so that it costs nothing, and
// calls from one loop have one lane. Nothing depends on that: two goroutines can have the same lane, and one can change it.
func lane() int {
	var here byte
	block := uint64(uintptr(unsafe.Pointer(&here)) >> 11) // of the size of the smallest stack
	const golden = 0x9E3779B97F4A7C15                     // spreads neighbours
	return int(block * golden >> (64 - laneBits))
}

// tally counts the uses of a few instances. Each lane has a memory line of its own.
type tally [lanes][line / 8]atomic.Int64

// uses is the counter of one instance.
type uses struct {
	tally *tally
	at    int
}

func (u uses) add(lane int, n int64) { u.tally[lane&(lanes-1)][u.at&(line/8-1)].Add(n) }

// sum is exact while nobody adds.
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
