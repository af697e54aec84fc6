package framework

import (
	"sync"
	"time"
)

// sleepLog knows when the machine was asleep. A sleeping machine runs no timer, and its monotonic clock, by which this package counts, stands
// still on most systems.
type sleepLog struct {
	// total is how long the machine has been asleep so far, from whatever origin. A reading may be late and then says too little.
	total func() time.Duration

	mu    sync.Mutex
	noted time.Duration // of total
	naps  []nap         // the latest ones, in order
}

// nap is time that the machine has slept.
type nap struct {
	noticed time.Time // it was over by then
	d       time.Duration
}

const (
	// shortNap is as much as readings may differ without a nap.
	shortNap = time.Millisecond
	// maxNaps is how many are told apart. Older ones are taken together, as if they had been noticed later than they were.
	maxNaps = 16
)

func newSleepLog(total func() time.Duration) *sleepLog {
	l := &sleepLog{total: total}
	l.noted = l.read()
	return l
}

// read is the best of some readings: one that is late says too little.
func (l *sleepLog) read() time.Duration { return max(l.total(), l.total(), l.total()) }

// since is how long the machine was asleep since then, at the most: a nap that was noticed later may have begun before.
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

// look notes what has been slept since it last looked. A total that has become less is that of a clock that was set back.
func (l *sleepLog) look() {
	total := l.read()
	if d := l.differs(total); d != 0 {
		l.noted = total
		l.note(d)
	}
}

// differs is how much a reading differs from what is noted, 0 if that means nothing.
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

// clockGap is how much further a clock that goes on while the machine is asleep has run than the monotonic one, since the program
// began. Where there is no other, it is the wall clock, of which a step forward looks like sleep.
func clockGap() time.Duration {
	now := time.Now()
	return ahead(now, begun, now.Sub(begun))
}

var begun = time.Now()

// ahead is how much further the wall clock has run from since to now than elapsed.
func ahead(now, since time.Time, elapsed time.Duration) time.Duration {
	return now.Round(0).Sub(since.Round(0)) - elapsed // Round strips the monotonic reading
}
