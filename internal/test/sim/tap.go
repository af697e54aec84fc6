package sim

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"
)

// Tap sees what a client sends and gets, and measures for itself what the client's clocks hang on. It takes frames apart on
// its own, so that a mistake in the client's bookkeeping does not repeat itself here.
type Tap struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu       sync.Mutex
	answered time.Time // when the latest answered request was sent
	received time.Time // when its answer came
}

// NewTap returns a tap on connections that dial makes.
func NewTap(dial func(ctx context.Context, network, address string) (net.Conn, error)) *Tap {
	return &Tap{dial: dial}
}

// Dial is a Dialer for framework.Config.
func (t *Tap) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapped{Conn: conn, tap: t, sent: make(map[int32][]time.Time)}, nil
}

// Answered is when the latest request that was answered was sent.
func (t *Tap) Answered() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered
}

// Received is when the latest answer came.
func (t *Tap) Received() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.received
}

// tapped is one connection. The first frame each way is the handshake; later ones begin with a number, the xid, which an
// answer repeats.
type tapped struct {
	net.Conn
	tap *Tap

	mu       sync.Mutex
	out, in  frames
	greeting time.Time // when the handshake was sent
	sent     map[int32][]time.Time
}

// Write notes the requests in b.
func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	for _, frame := range c.out.push(b) {
		if c.greeting.IsZero() {
			c.greeting = time.Now()
			continue
		}
		xid := int32(binary.BigEndian.Uint32(frame))
		c.sent[xid] = append(c.sent[xid], time.Now())
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// Read notes the answers in what it reads.
func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	first := c.in.count == 0
	for _, frame := range c.in.push(b[:n]) {
		if first {
			first = false
			c.tap.note(c.greeting)
			continue
		}
		xid := int32(binary.BigEndian.Uint32(frame))
		if times := c.sent[xid]; len(times) > 0 { // events answer nothing
			c.sent[xid] = times[1:]
			c.tap.note(times[0])
		}
	}
	return n, err
}

func (t *Tap) note(sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sent.After(t.answered) {
		t.answered = sent
	}
	t.received = time.Now()
}

// frames cuts a stream at its length fields.
type frames struct {
	rest  []byte
	count int
}

// push returns the bodies of the frames that are complete with b.
func (f *frames) push(b []byte) [][]byte {
	f.rest = append(f.rest, b...)
	var list [][]byte
	for len(f.rest) >= 4 {
		size := 4 + int(binary.BigEndian.Uint32(f.rest))
		if len(f.rest) < size {
			break
		}
		list = append(list, f.rest[4:size:size])
		f.rest = f.rest[size:]
		f.count++
	}
	return list
}
