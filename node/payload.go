package node

import (
	"bytes"
	"context"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// payload is the data that the node should have, and who waits for it. Guarded by the Keeper's mutex.
type payload struct {
	data    []byte // what should stand
	n       uint64 // counts what should stand, from 1
	good    []byte // what has stood last; data goes back to it when the servers refuse data
	landed  uint64 // n of good; 0 when nothing has stood
	waiting []*setting
}

// setting is a call of Set that waits.
type setting struct {
	n    uint64
	done chan error // holds the result
}

func newPayload(data []byte) payload { return payload{data: bytes.Clone(data), n: 1} }

// land notes that the n-th data stands. Whoever has set it, or anything before it, is done.
func (p *payload) land(n uint64, data []byte) {
	p.good, p.landed = data, n
	p.answer(n, nil)
}

// reject notes that the servers refuse the n-th data. It returns false if there is nothing else that could stand.
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

// fail ends every wait.
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

// wanted returns what should stand.
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

// Set makes data the node's data and returns when it stands, or that of a later Set does. It goes on over reconnects
// and new sessions. When ctx ends first, data is still what the Keeper wants to stand, and will be written when that is
// possible.
//
// What the servers refuse is the error of those Sets that asked for it, and the node keeps the data that it had:
// framework.ErrTooLarge, ErrNoAuth, ... The error is [ErrKeeperClosed] or framework.ErrClosed when the Keeper has ended.
func (k *Keeper) Set(ctx context.Context, data []byte) error {
	s, err := k.want(data)
	if err != nil {
		return err
	}
	select {
	case k.wake <- struct{}{}:
	default: // it is awake
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

// forget takes a wait back.
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
