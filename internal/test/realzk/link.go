package realzk

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	chunkSize = 16 << 10
	// chunksAhead bounds what a black hole swallows per connection and direction;
	// beyond it the sender's own buffers fill, as with a real one.
	chunksAhead = 64
	// partsPerSecond is in how many parts a slow line carries what it can carry in a
	// second.
	partsPerSecond = 50
)

// link is one connection through a proxy. Each direction has a goroutine that
// reads and one that writes, with the chunks under way between them.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	ctx    context.Context // ends when the link is cut
	cancel context.CancelFunc

	mu     sync.Mutex
	server *net.TCPConn // nil until the server is reached
}

// chunk is what one read gave, and when.
type chunk struct {
	bytes []byte
	at    time.Time
	err   error // why the reader stopped after these bytes; nil if it goes on
}

func newLink(p *Proxy, client *net.TCPConn) *link {
	ctx, cancel := context.WithCancel(context.Background())
	return &link{proxy: p, client: client, ctx: ctx, cancel: cancel}
}

// run lives as long as the link does.
func (l *link) run() {
	defer l.proxy.forget(l)
	defer l.close()
	server, err := l.reach()
	if err != nil {
		l.cut() // like the reset that the server's refusal would have been
		return
	}
	var pumps sync.WaitGroup
	fromClient, fromServer := l.proxy.readers()
	l.pump(&pumps, ToServer, l.client, server, fromClient)
	l.pump(&pumps, ToClient, server, l.client, fromServer)
	pumps.Wait()
}

// reach connects to the server, as soon as the way there is open. A server that
// refuses is asked again for as long as the proxy has patience.
func (l *link) reach() (*net.TCPConn, error) {
	giveUp := time.Now().Add(l.proxy.patience)
	for {
		if !l.pass(ToServer, time.Now(), time.Time{}) {
			return nil, l.ctx.Err()
		}
		conn, err := new(net.Dialer).DialContext(l.ctx, "tcp4", l.proxy.target)
		if err == nil {
			return l.adopt(conn.(*net.TCPConn)), nil
		}
		if time.Now().After(giveUp) || !l.await(nil, true, pollInterval) {
			return nil, err
		}
	}
}

// adopt makes the connection part of the link.
func (l *link) adopt(server *net.TCPConn) *net.TCPConn {
	l.mu.Lock()
	l.server = server
	l.mu.Unlock()
	if l.ctx.Err() != nil { // cut in between, without knowing the server
		reset(server)
	}
	return server
}

func (l *link) pump(pumps *sync.WaitGroup, way Direction, from, to *net.TCPConn, how reader) {
	chunks := make(chan chunk, chunksAhead)
	pumps.Go(func() { l.read(from, how, chunks) })
	pumps.Go(func() { l.write(way, to, chunks) })
}

// read fills chunks until the connection or the link ends.
func (l *link) read(from io.Reader, how reader, chunks chan<- chunk) {
	defer close(chunks)
	for next := how.first; ; next = how.then {
		bytes, err := next(from)
		if !l.send(chunks, chunk{bytes, time.Now(), err}) || err != nil {
			return
		}
	}
}

func readSome(from io.Reader) ([]byte, error) {
	buffer := make([]byte, chunkSize)
	n, err := from.Read(buffer)
	return buffer[:n], err
}

func (l *link) send(chunks chan<- chunk, c chunk) bool {
	select {
	case chunks <- c:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// write passes chunks on, each when its time has come.
func (l *link) write(way Direction, to *net.TCPConn, chunks <-chan chunk) {
	line := slowLine{}
	for c := range chunks {
		for first := true; first || len(c.bytes) > 0; first = false {
			n, free := line.carry(len(c.bytes), c.at, l.proxy.now().rate)
			if !l.pass(way, c.at, free) {
				return
			}
			if _, err := to.Write(c.bytes[:n]); err != nil {
				l.cut()
				return
			}
			c.bytes = c.bytes[n:]
		}
		switch {
		case errors.Is(c.err, io.EOF):
			_ = to.CloseWrite() // the other direction may go on
		case c.err != nil:
			l.cut() // a reset travels as a reset
		}
	}
}

// slowLine keeps one direction of a link to a rate.
type slowLine struct {
	free time.Time // when it has carried what it was given
}

// carry takes some of n bytes that came at the given time and returns how many, and
// when the line has carried them: all of them and at once if there is no limit.
func (s *slowLine) carry(n int, at time.Time, rate int) (int, time.Time) {
	if rate <= 0 {
		return n, time.Time{}
	}
	n = min(n, max(rate/partsPerSecond, 1))
	if s.free.Before(at) {
		s.free = at
	}
	s.free = s.free.Add(time.Duration(n) * time.Second / time.Duration(rate))
	return n, s.free
}

// pass waits until bytes read at the given time may go on, by a line that is free
// then. It returns false if the link was cut before.
func (l *link) pass(way Direction, at, free time.Time) bool {
	for {
		w := l.proxy.now()
		open := w.hole&way == 0
		wait := time.Until(at.Add(w.delay))
		if w.rate > 0 {
			wait = max(wait, time.Until(free))
		}
		if open && wait <= 0 {
			return l.ctx.Err() == nil
		}
		if !l.await(w.changed, open, wait) {
			return false
		}
	}
}

// await waits for other weather, and if the way is open no longer than given.
func (l *link) await(changed <-chan struct{}, open bool, wait time.Duration) bool {
	var due <-chan time.Time
	if open {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-changed:
	case <-due:
	case <-l.ctx.Done():
		return false
	}
	return true
}

// cut resets both connections. The bytes under way are lost.
func (l *link) cut() {
	l.cancel()
	reset(l.client)
	if server := l.reached(); server != nil {
		reset(server)
	}
}

// close ends both connections after everything has been written.
func (l *link) close() {
	l.cancel()
	_ = l.client.Close()
	if server := l.reached(); server != nil {
		_ = server.Close()
	}
}

func (l *link) reached() *net.TCPConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.server
}

// reset closes with RST instead of FIN, so that the other side notices at once
// and does not mistake the end for an orderly one.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
