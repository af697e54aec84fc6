package wire

import (
	"net"
	"sync"
	"time"
)

// deadlines caps what the driver sets until the handshake is accepted. Its
// mutex is held while deadlines are set, which does not wait for anything.
type deadlines struct {
	mu    sync.Mutex
	limit time.Time // of the handshake; zero before and after
	read  time.Time // the driver's
	write time.Time
}

// start caps reads and writes from now on.
func (d *deadlines) start(conn net.Conn, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = time.Now().Add(limit)
	conn.SetReadDeadline(d.capped(d.read))
	conn.SetWriteDeadline(d.capped(d.write))
}

// lift opens the link and puts the driver's own deadlines in force.
func (d *deadlines) lift(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = time.Time{}
	l.conn.SetReadDeadline(d.read)
	l.conn.SetWriteDeadline(d.write)
	l.open.Store(true)
}

// capped returns the earlier of t and the limit; zero means none.
func (d *deadlines) capped(t time.Time) time.Time {
	if t.IsZero() || !d.limit.IsZero() && d.limit.Before(t) {
		return d.limit
	}
	return t
}

// SetDeadline sets both deadlines.
func (l *link) SetDeadline(t time.Time) error {
	if err := l.SetReadDeadline(t); err != nil {
		return err
	}
	return l.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of reads. During the handshake it can only
// shorten its limit.
func (l *link) SetReadDeadline(t time.Time) error {
	if l.open.Load() {
		return l.conn.SetReadDeadline(t)
	}
	d := &l.limits
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = t
	return l.conn.SetReadDeadline(d.capped(t))
}

// SetWriteDeadline sets the deadline of writes, likewise.
func (l *link) SetWriteDeadline(t time.Time) error {
	if l.open.Load() {
		return l.conn.SetWriteDeadline(t)
	}
	d := &l.limits
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = t
	return l.conn.SetWriteDeadline(d.capped(t))
}
