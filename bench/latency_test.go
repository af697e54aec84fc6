package bench

import (
	"math/bits"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// latencies counts how long operations took, in buckets that are a hundredth wide. Adding to it allocates nothing.
type latencies struct {
	mu      sync.Mutex
	buckets [64 << fine]uint32
}

// fine is the binary logarithm of the number of buckets for times between one power of two and the next.
const fine = 7

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 1))
	exp := bits.Len64(v) - 1
	return exp<<fine | int((v<<(63-exp)<<1)>>(64-fine))
}

// least is the shortest time that is counted in a bucket.
func least(bucket int) time.Duration {
	exp, rest := bucket>>fine, bucket&(1<<fine-1)
	return time.Duration(float64(uint64(1)<<exp) * (1 + float64(rest)/(1<<fine)))
}

// add counts the times of one caller.
func (l *latencies) add(times []time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range times {
		l.buckets[bucketOf(d)]++
	}
}

// median is the time that half of the operations took at most.
func (l *latencies) median() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all, seen uint64
	for _, n := range l.buckets {
		all += uint64(n)
	}
	for bucket, n := range l.buckets {
		if seen += uint64(n); 2*seen >= all && all > 0 {
			return least(bucket)
		}
	}
	return 0
}

func TestMedian(t *testing.T) {
	l := &latencies{}
	assert.Zero(t, l.median())
	times := []time.Duration{0, 1, 120 * time.Microsecond, time.Second, time.Hour}
	slices.Reverse(times)
	l.add(times[:2])
	l.add(times[2:])
	assert.InEpsilon(t, 120*time.Microsecond, l.median(), 0.01)
	for _, d := range []time.Duration{1, 2, 3, 1000, 1<<20 - 1, 1 << 20, 1 << 62} {
		assert.InEpsilon(t, d, least(bucketOf(d)), 0.01, d)
	}
}
