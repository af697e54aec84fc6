package node

import (
	"bytes"
	"context"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// payload is the data that the node is to have, and the calls that wait for it. Guarded by the Keeper's mutex.
type payload struct {
	data    []byte // the data to write
	n       uint64 // its number, counted from 1
	good    []byte // the data last written; used again if the servers refuse data
	landed  uint64 // the number of good; 0 if nothing has been written
	waiting []*setting
}

// setting is a waiting call of Set.
type setting struct {
	n    uint64
	done chan error // receives the result
}

func newPayload(data []byte) payload { return payload{data: bytes.Clone(data), n: 1} }

// land records that the n-th data has been written. This ends the calls that have set it or earlier data.
func (p *payload) land(n uint64, data []byte) {
	p.good, p.landed = data, n
	p.answer(n, nil)
}

// reject records that the servers refuse the n-th data. It returns false if there is no other data to write.
func (p *payload) reject(n uint64, err error) bool {
	if p.landed == 0 || p.landed == n {
		return false
	}
	if p.n == n {
		p.data, p.landed = p.good, n
	}
	p.answer(n, err)
	return true
}

// fail ends all waiting calls.
func (p *payload) fail(err error) { p.answer(p.n, err) }

func (p *payload) answer(n uint64, err error) {
	later := p.waiting[:0]
	for _, s := range p.waiting {
		if s.n <= n {
			s.done <- err
		} else {
			later = append(later, s)
		}
	}
	clear(p.waiting[len(later):])
	p.waiting = later
}

// wanted returns the data to write.
func (k *Keeper) wanted() (data []byte, n uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.payload.data, k.payload.n
}

func (k *Keeper) landed(n uint64, data []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.payload.land(n, data)
}

func (k *Keeper) rejected(n uint64, err error) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.payload.reject(n, err)
}

// Set sets the node's data, and returns when it, or the data of a later Set, has been written. It continues through
// reconnects and new sessions. If ctx ends first, the data is still written as soon as possible.
//
// If the servers refuse the data (framework.ErrTooLarge, ErrNoAuth, ...), Set returns that and the node keeps its data.
// Set returns [ErrKeeperClosed] or framework.ErrClosed if the Keeper has ended.
func (k *Keeper) Set(ctx context.Context, data []byte) error {
	s, err := k.want(data)
	if err != nil {
		return err
	}
	select {
	case k.wake <- struct{}{}:
	default: // already awake
	}
	select {
	case err := <-s.done:
		return err
	case <-ctx.Done():
		k.forget(s)
		return fmt.Errorf("node %s: its data is not written yet: %w", k.spec.path, framework.ContextError(ctx))
	}
}

func (k *Keeper) want(data []byte) (*setting, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return nil, k.err
	}
	if k.life.Err() != nil {
		return nil, k.ended()
	}
	p := &k.payload
	p.n++
	p.data = bytes.Clone(data)
	s := &setting{n: p.n, done: make(chan error, 1)}
	p.waiting = append(p.waiting, s)
	return s, nil
}

// forget removes a waiting call.
func (k *Keeper) forget(s *setting) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, w := range k.payload.waiting {
		if w == s {
			k.payload.waiting = append(k.payload.waiting[:i], k.payload.waiting[i+1:]...)
			return
		}
	}
}
