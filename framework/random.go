package framework

import (
	"encoding/binary"
	"io"
	"sync"
)

// random draws all random values of a client from one reader, so that simulations are reproducible.
type random struct {
	mu       sync.Mutex
	r        io.Reader
	panicked func(function, path string, value any) // receives a panic of the reader; may be nil
}

// Read serves GUIDs.
func (r *random) Read(p []byte) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err = guarded("Random", "", func() (err error) {
		n, err = io.ReadFull(r.r, p)
		return err
	}, r.tell)
	return n, err
}

func (r *random) tell(function, path string, value any) {
	if r.panicked != nil {
		r.panicked(function, path, value)
	}
}

// uint64 returns 64 random bits. If the reader fails, they are less random, which is enough for jitter and shuffles.
func (r *random) uint64() uint64 {
	var b [8]byte
	_, _ = r.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// float64 returns a number in [0,1).
func (r *random) float64() float64 { return float64(r.uint64()>>11) / (1 << 53) }

// shuffle shuffles s.
func shuffle[T any](r *random, s []T) {
	for i := len(s) - 1; i > 0; i-- {
		j := int(r.uint64() % uint64(i+1))
		s[i], s[j] = s[j], s[i]
	}
}
