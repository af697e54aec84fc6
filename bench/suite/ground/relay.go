package ground

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Relay passes connections on to a server. It can delay what passes, each way by the same time, and counts it.
type Relay struct {
	dial     func() (net.Conn, error) // connects to the server
	delay    time.Duration
	listener net.Listener
	wg       sync.WaitGroup

	toServer, toClient atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	open   chan struct{} // closed while connections reach the server
	closed bool
}

// NewRelay starts a relay on a port of the loopback address.
func NewRelay(target string, delay time.Duration) (*Relay, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return newRelay(listener, func() (net.Conn, error) { return net.Dial("tcp4", target) }, delay), nil
}

func newRelay(listener net.Listener, dial func() (net.Conn, error), delay time.Duration) *Relay {
	r := &Relay{dial: dial, delay: delay, listener: listener, conns: map[net.Conn]struct{}{}, open: make(chan struct{})}
	close(r.open)
	r.wg.Go(r.accept)
	return r
}

// Addr is the address to connect to instead of the server's.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Bytes returns how many bytes have passed so far in each direction.
func (r *Relay) Bytes() (toServer, toClient int64) { return r.toServer.Load(), r.toClient.Load() }

// Hold breaks all connections and keeps new ones from the server until Release. Clients can connect, and wait for an answer.
func (r *Relay) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
		r.open = make(chan struct{})
	default:
	}
	r.cut()
}

// Release lets connections reach the server again.
func (r *Relay) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.open:
	default:
		close(r.open)
	}
}

// Close ends the relay with all of its connections and waits for its goroutines.
func (r *Relay) Close() error {
	r.Release()
	r.mu.Lock()
	r.closed = true
	r.cut()
	r.mu.Unlock()
	err := r.listener.Close()
	r.wg.Wait()
	return err
}

// cut closes all connections; r.mu is held.
func (r *Relay) cut() {
	for conn := range r.conns {
		_ = conn.Close()
	}
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		if gate, ok := r.admit(client); ok {
			r.wg.Go(func() { r.serve(client, gate) })
		}
	}
}

// admit takes note of a connection, so that it is closed with the relay.
func (r *Relay) admit(conn net.Conn) (gate chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = conn.Close()
		return nil, false
	}
	r.conns[conn] = struct{}{}
	return r.open, true
}

func (r *Relay) forget(conn net.Conn) {
	_ = conn.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, conn)
}

// serve passes one connection on once the gate is open.
func (r *Relay) serve(client net.Conn, gate chan struct{}) {
	defer r.forget(client)
	<-gate
	server, err := r.dial()
	if err != nil {
		return
	}
	if _, ok := r.admit(server); !ok {
		return
	}
	defer r.forget(server)
	var ways sync.WaitGroup
	ways.Go(func() { r.pass(server, client, &r.toServer) })
	ways.Go(func() { r.pass(client, server, &r.toClient) })
	ways.Wait()
}

// pass copies one direction and ends both when that ends.
func (r *Relay) pass(to, from net.Conn, count *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	counted := countingReader{from, count}
	if r.delay == 0 {
		_, _ = io.Copy(to, counted)
		return
	}
	_ = delayed(to, counted, r.delay)
}

type countingReader struct {
	io.Reader
	n *atomic.Int64
}

// Read implements io.Reader.
func (c countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// parcel is what one read has given, and when it is due.
type parcel struct {
	bytes []byte
	due   time.Time
}

// ahead bounds how many parcels wait in one direction.
const ahead = 1024

// delayed copies and holds everything back for d.
func delayed(to io.Writer, from io.Reader, d time.Duration) error {
	parcels, failed := make(chan parcel, ahead), make(chan error, 1)
	go func() {
		defer close(failed)
		for p := range parcels {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.bytes); err != nil {
				failed <- err
				for range parcels { // so that the reader is not held up
				}
				return
			}
		}
	}()
	var err error
	for err == nil {
		buffer := make([]byte, 16<<10)
		var n int
		n, err = from.Read(buffer)
		if n > 0 {
			parcels <- parcel{buffer[:n], time.Now().Add(d)}
		}
	}
	close(parcels)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, <-failed)
}
