package kit

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
)

// Rounds counts nodes by the round that their data names, so that a caller can wait for all nodes of a round. A node is written
// once in a round.
type Rounds struct {
	mu      sync.Mutex
	seen    map[int]int
	round   int           // that somebody waits for
	n       int           // how many nodes it is to have
	reached chan struct{} // closed when it has them; nil while nobody waits
}

// PayloadSize is the size of the data of a node, in bytes: as long as a small configuration or an address.
const PayloadSize = 128

// Payload is the data that names a round.
func Payload(round int) []byte {
	data := bytes.Repeat([]byte{'.'}, PayloadSize)
	copy(data, fmt.Sprintf("round-%08d", round))
	return data
}

// roundOf returns the round that data names.
func roundOf(data []byte) (int, bool) {
	digits, found := bytes.CutPrefix(data, []byte("round-"))
	if !found || len(digits) < 8 {
		return 0, false
	}
	round, err := strconv.Atoi(string(digits[:8]))
	return round, err == nil
}

// NewRounds returns an empty count.
func NewRounds() *Rounds { return &Rounds{seen: map[int]int{}} }

// Saw counts a node whose data has become this.
func (r *Rounds) Saw(data []byte) {
	round, ok := roundOf(data)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[round]++
	if r.reached != nil && round == r.round && r.seen[round] >= r.n {
		close(r.reached)
		r.reached = nil
	}
}

// Await waits until n nodes of a round have been seen. More of them are an error. One caller waits at a time.
func (r *Rounds) Await(ctx context.Context, round, n int) error {
	reached := make(chan struct{})
	r.mu.Lock()
	if r.seen[round] >= n {
		close(reached)
	} else {
		r.round, r.n, r.reached = round, n, reached
	}
	r.mu.Unlock()
	select {
	case <-reached:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reached = nil
	if seen := r.seen[round]; seen != n {
		return fmt.Errorf("round %d: %d nodes were seen, and %d were written", round, seen, n)
	}
	return nil
}
