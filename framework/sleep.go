package framework

import (
	"sync"
	"time"
)

// sleepLog records when the machine was suspended. A suspended machine runs no timers, and on most systems its
// monotonic clock, which this package uses, stands still.
type sleepLog struct {
	// total returns how long the machine has been suspended so far. The origin does not matter. A delayed reading
	// returns too little.
	total func() time.Duration

	mu    sync.Mutex
	noted time.Duration // of total
	naps  []nap         // the latest ones, in order
}

// nap is a time in which the machine was suspended.
type nap struct {
	noticed time.Time // it had ended by then
	d       time.Duration
}

const (
	// shortNap is the variation of readings without a nap.
	shortNap = time.Millisecond
	// maxNaps is how many naps are kept separately. Older ones are merged, as if they had been noticed later.
	maxNaps = 16
)

func newSleepLog(total func() time.Duration) *sleepLog {
	l := &sleepLog{total: total}
	l.noted = l.read()
	return l
}

// read returns the largest of several readings, since a delayed one is too small.
func (l *sleepLog) read() time.Duration { return max(l.total(), l.total(), l.total()) }

// since returns an upper bound of how long the machine was suspended since then. A nap that was noticed later may have
// begun earlier.
func (l *sleepLog) since(then time.Time) time.Duration {
	total := l.total()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.differs(total) != 0 {
		l.look()
	}
	var sum time.Duration
	for _, n := range l.naps {
		if n.noticed.After(then) {
			sum += n.d
		}
	}
	return sum
}

// look records naps since the last look. If total has decreased, the clock was set back.
func (l *sleepLog) look() {
	total := l.read()
	if d := l.differs(total); d != 0 {
		l.noted = total
		l.note(d)
	}
}

// differs returns by how much a reading differs from the last one; 0 if that means nothing.
func (l *sleepLog) differs(total time.Duration) time.Duration {
	if d := total - l.noted; d.Abs() > shortNap {
		return d
	}
	return 0
}

func (l *sleepLog) note(d time.Duration) {
	if d < 0 {
		return
	}
	if len(l.naps) == maxNaps {
		l.naps[1].d += l.naps[0].d
		l.naps = l.naps[1:]
	}
	l.naps = append(l.naps, nap{time.Now(), d})
}

// clockGap returns how much further a clock that runs while the machine is suspended has advanced than the monotonic
// one since the program began. Without such a clock, it uses the wall clock, on which a step forward looks like a
// suspension.
func clockGap() time.Duration {
	now := time.Now()
	return ahead(now, begun, now.Sub(begun))
}

var begun = time.Now()

// ahead returns how much further than elapsed the wall clock has advanced from since to now.
func ahead(now, since time.Time, elapsed time.Duration) time.Duration {
	return now.Round(0).Sub(since.Round(0)) - elapsed // Round strips the monotonic reading
}
