package framework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// A session of a read-only server is an epoch of its own, which lives as long as its connection:
//
//	Connecting or Lost                                    ReadOnly                                  Suspended, Lost, Connected
//	handshake ─▶ accepted if every server was tried ─▶ an exists ─▶ serves reads ─▶ the link ends ─────▶ next epoch
//	                                                    │ shows an older zxid           │
//	                                                    └─▶ next epoch                  └─ search finds a server that starts a session
//
// A session that has begun on another server never goes on at a read-only one, which could not prolong it. It waits for a full server
// until it is lost. So no claim and no ephemeral node ever belongs to a session of a read-only server, and nothing that such a server says
// counts for trust, or as seen: it may have stored transactions that a later leader throws away, and counts its own sessions as transactions.

// errLagging ends a link to a read-only server that is behind.
var errLagging = errors.New("the read-only server is behind what the client has seen")

// errWritable ends a session of a read-only server.
var errWritable = fmt.Errorf("a server was found that accepts writes: %w", ErrSessionLost)

// allTried reports whether every address has been tried since the last session was up. Until then a read-only server is
// not accepted, because another server may accept writes.
func (h *hosts) allTried() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.better(h.latest.addr)
}

// greet tells the supervisor that a connection is up. For a read-only server, that is after its newest transaction is
// known: see examine.
func (e *epoch) greet(sig signal) {
	if !e.wire.ReadOnly() {
		e.signals.push(sig)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.greeted = sig
}

// examine asks a read-only server for its newest transaction. If that is older than what the client has seen, its
// caches would go back in time.
func (e *epoch) examine() *wire.Call {
	c := &existsQuery("/", false).call(e.ctx).Call
	c.Over = func(err error) {
		var code *wire.CodeError
		switch {
		case err != nil && !errors.As(err, &code): // the link has ended
		case e.wire.LinkZxid() < e.base:
			e.wire.Break(fmt.Errorf("%w: its newest transaction is %#x, and %#x was seen", errLagging, e.wire.LinkZxid(), e.base))
		default:
			e.mu.Lock()
			sig := e.greeted
			e.mu.Unlock()
			e.signals.push(sig)
		}
	}
	return c
}

// endReadOnly ends an epoch whose connection to a read-only server has ended.
func (e *epoch) endReadOnly(cause error) {
	cause = fmt.Errorf("the session of a read-only server ends with its connection: %w: %w", cause, ErrSessionLost)
	e.fence(cause)
	e.signals.push(signal{kind: sessionExpired, cause: cause})
}

// upReadOnly handles a connection to a read-only server.
func (c *core) upReadOnly(e *epoch) {
	c.publish(e, StateChange{State: ReadOnly})
	c.retiring.Go(func() { c.search(e) })
}

// search looks for a full server as long as the epoch lasts. Servers are tried in turn, with the pauses of the
// reconnect policy.
func (c *core) search(e *epoch) {
	for {
		server, wait := c.hosts.take()
		if sleep(e.ctx, wait) != nil {
			return
		}
		next, err := c.writable(e, server)
		if err == nil {
			c.found.put(next)
			if e.ctx.Err() != nil { // the next epoch may have begun without it
				c.found.drop()
			}
			e.signals.push(signal{kind: writable, cause: errWritable})
			return
		}
		c.log.Debug("no server that serves writes yet", "server", server, "error", err)
	}
}

// writable tries one server, and returns a connection to it if it accepts writes. To find out, it starts a session with
// a handshake that does not accept read-only servers, and closes it again.
func (c *core) writable(e *epoch, server string) (*offer, error) {
	timeout := c.grant.timeout()
	ctx, cancel := context.WithTimeout(e.ctx, timeout/3)
	defer cancel()
	next, err := c.hosts.dial(ctx, server, unlimited)
	if err != nil {
		return nil, err
	}
	if err := wire.Probe(ctx, next.conn, timeout); err != nil {
		return nil, err
	}
	if next, err = c.hosts.dialTo(ctx, next.target); err != nil {
		return nil, err
	}
	next.dial = c.dials.Add(1)
	return next, nil
}

// drop closes the offered connection if it has not been taken.
func (o *offers) drop() {
	if unused := o.take(); unused != nil {
		_ = unused.conn.Close()
	}
}

// servesReads reports whether a read can be sent in the gate's epoch, which must be fixed if that is not nil.
func (g *gate) servesReads(fixed *epoch) bool {
	return g.serves(fixed) || g.readOnly(fixed)
}

// readOnly reports whether the gate's epoch is a session of a read-only server, and is fixed if that is not nil.
func (g *gate) readOnly(fixed *epoch) bool {
	return g.State == ReadOnly && g.epoch.ctx.Err() == nil && (fixed == nil || fixed == g.epoch)
}

// need is the kind of connection that an operation needs.
type need int

const (
	writes    need = iota // a full server, for writes and for reads that must see every change
	reads                 // any server
	refusable             // a full server; a read-only server refuses it
)

// readOps are the requests that are sent to a read-only server.
var readOps = map[int32]bool{
	jute.OpExists: true, jute.OpGetData: true, jute.OpGetACL: true, jute.OpGetChildren: true, jute.OpGetChildren2: true,
	jute.OpMultiRead: true, jute.OpAddWatch: true, jute.OpSetWatches: true, jute.OpSetWatches2: true, jute.OpRemoveWatches: true,
	jute.OpGetEphemerals: true, jute.OpDescendants: true, jute.OpWhoAmI: true,
}

// onlyReads reports whether none of the calls writes.
func onlyReads(calls []*wire.Call) bool {
	for _, c := range calls {
		if !readOps[c.Op] {
			return false
		}
	}
	return true
}

// errReadOnlyServer returns why a write is not sent.
func (g *gate) errReadOnlyServer() error {
	return fmt.Errorf("%w: %s", ErrNotReadOnly, g.Server)
}

// ReadOnly reports whether the session belongs to a server that serves only reads: see [Config.ReadOnly]. A recipe gets
// such a session only with the policy [Serve].
func (s *Session) ReadOnly() bool { return s.e.wire.ReadOnly() }

// readOnly checks for how long the client has used a read-only server.
func (e *examination) readOnly(info Info) {
	if info.State != ReadOnly || !e.lasted(info.Time, e.bounds.Silence) {
		return
	}
	e.note(HealthReason{
		Text: fmt.Sprintf("for %s only the read-only server %s has been found: writes are refused, and what is read may be old",
			e.ago(info.Time), info.Server),
		Since: info.Time, Notice: true, Err: ErrNotReadOnly,
	})
}

// never is longer than any session lasts.
const never = 10 * 365 * 24 * time.Hour
