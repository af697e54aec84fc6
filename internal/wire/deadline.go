package wire

import (
	"net"
	"sync"
	"time"
)

// deadlines limits the driver's deadlines until the handshake is accepted. Its mutex is held while deadlines are set,
// which does not block.
type deadlines struct {
	mu    sync.Mutex
	limit time.Time // of the handshake; zero before and after
	read  time.Time // the driver's
	write time.Time
	given bool // the connection no longer belongs to the link
}

// start caps reads and writes from now on.
func (d *deadlines) start(conn net.Conn, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = time.Now().Add(limit)
	conn.SetReadDeadline(d.capped(d.read))
	conn.SetWriteDeadline(d.capped(d.write))
}

// ends returns when the handshake must have ended.
func (d *deadlines) ends() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.limit
}

// lift opens the link. From now on it has deadlines of its own.
func (d *deadlines) lift(l *link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = time.Time{}
	l.conn.SetReadDeadline(time.Time{})
	l.conn.SetWriteDeadline(time.Time{})
	l.open.Store(true)
}

// give makes further deadlines of the driver ineffective.
func (d *deadlines) give() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given = true
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
// shorten its limit. On an open link, which does not read for the driver alone, it does nothing.
func (l *link) SetReadDeadline(t time.Time) error {
	if l.open.Load() {
		return nil
	}
	d := &l.limits
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = t
	if d.given {
		return nil
	}
	return l.conn.SetReadDeadline(d.capped(t))
}

// SetWriteDeadline sets the deadline of writes, likewise.
func (l *link) SetWriteDeadline(t time.Time) error {
	if l.open.Load() {
		return nil
	}
	d := &l.limits
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = t
	if d.given {
		return nil
	}
	return l.conn.SetWriteDeadline(d.capped(t))
}
