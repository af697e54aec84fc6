package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/wire"
	"github.com/docent-zk/docent/retry"
)

// A planned move takes a session from one connection to another without SUSPENDED. The new connection is dialled and
// secured while the old one is in use. Then requests wait until everything that was sent is answered, so that no
// outcome becomes unknown:
//
//	supervisor      Connected                                  Connected, gate paused              Reconnected
//	move            dial ──▶ offer ──▶ pause the gate ──▶ an exists, alone ──▶ break the link ─ ─ ─▶ gate opens
//	driver                                                                      └─▶ handshake on the offered connection
//
// Trust and its clocks continue: the session is the same, and the exists has just been answered. If the handshake
// fails, because the server is starting or lags behind, the driver dials other servers. The session must be up on one
// of them T/6 after the old link was left. Otherwise the client is SUSPENDED, as it is if anything other than the move
// breaks the old link.
//
// If what was sent is not answered within T/6, the move is given up and operations go on. The next attempt waits for
// T/3. A server that is even slower keeps the session. Operations that wait for an attempt lose little, because a
// server replies to a session in order.

// errMoving ends a link whose session moves to another connection.
var errMoving = errors.New("the session moves to another connection as planned")

// errPaused sends an operation back to the gate: it was not sent, because the session is moving.
var errPaused = &unsentError{errMoving}

// errNoMove means that there is nothing to move.
var errNoMove = errors.New("the connection has changed meanwhile")

// errSlow says that a move was given up because an operation took too long.
var errSlow = errors.New("an operation took too long")

// moveLimit: a move has a sixth of the session timeout for the replies to what was sent, and another sixth for the
// handshake. slowLimit: it has a third of it for the replies if a sixth was not enough the last time.
const (
	moveLimit = 6
	slowLimit = 3
)

// plannedHandshake: the handshake of a planned move has an eighth of the session timeout. The rest of moveLimit is for
// other servers.
const plannedHandshake = 8

// pause is the time in which operations wait for a planned move.
type pause struct{ state atomic.Int32 }

const (
	waiting   int32 = iota // until everything that was sent is answered
	departed               // the link has been broken for the move
	abandoned              // the move was abandoned
)

// leave reports whether the link may be broken now.
func (p *pause) leave() bool { return p.state.CompareAndSwap(waiting, departed) }

// abandon reports whether the link stays.
func (p *pause) abandon() bool { return p.state.CompareAndSwap(waiting, abandoned) }

// left reports whether the link has been broken, or is about to be.
func (p *pause) left() bool { return p.state.Load() == departed }

// offer is a connection that the driver is to use next.
type offer struct {
	conn   net.Conn
	target target
	dial   int64 // its number
}

// serverOr returns the server of an offer, or other if there is none.
func (o *offer) serverOr(other string) string {
	if o == nil {
		return other
	}
	return o.target.server
}

// offers holds at most one offer. The driver takes it at its next dial.
type offers struct {
	mu   sync.Mutex
	next *offer
}

func (o *offers) put(next *offer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.next = next
}

// server returns the server of the offer.
func (o *offers) server() (name string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.next == nil {
		return "", false
	}
	return o.next.target.server, true
}

// take removes and returns the offer; nil if there is none.
func (o *offers) take() *offer {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := o.next
	o.next = nil
	return next
}

// dialer opens a connection. If it fails, the offer may say which server was tried.
type dialer func(ctx context.Context) (*offer, error)

// move moves the session to the connection that dial opens. It returns nil when a newer connection serves the session,
// or the next one. After an error, the session is on its old connection, unless ctx has ended. There must be a
// connection to move from.
func (c *core) move(ctx context.Context, dial dialer, why string) error {
	select {
	case c.moving <- struct{}{}:
		defer func() { <-c.moving }()
	case <-ctx.Done():
		return ContextError(ctx)
	}
	g := c.gate.Load()
	if !g.serves(nil) {
		return errNoMove
	}
	e, number := g.epoch, c.dials.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(e.ctx, func() { cancel(context.Cause(e.ctx)) })()
	if err := e.prepare(ctx, g.Server); err != nil { // the servers accept the present connection all the same
		return err
	}
	next, err := dial(ctx)
	if err != nil {
		if refused := c.certificateRefused(next.serverOr(g.Server), err); refused != nil {
			return refused
		}
		return err
	}
	server := next.target.server
	if err := c.vet(next.conn, server); err != nil {
		_ = next.conn.Close()
		return err
	}
	next.dial = number
	e.offers.put(next)
	defer e.withdraw()
	paused, err := c.pause(g)
	if err != nil {
		return err
	}
	defer c.unpause(paused)
	c.log.Info("the session moves to another connection", "from", g.Server, "to", server, "cause", why)
	err = c.leaveLink(ctx, e, paused)
	c.slow = errors.Is(err, errSlow)
	if err != nil {
		return err
	}
	return c.arrived(ctx, number)
}

// withdraw closes the offered connection if the driver has not taken it.
func (e *epoch) withdraw() {
	if unused := e.offers.take(); unused != nil {
		_ = unused.conn.Close()
	}
}

// pause makes operations wait, without a change of state. It fails if g is no longer current or the client is being
// closed.
func (c *core) pause(g *gate) (*gate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case isClosed(c.closing):
		return nil, ErrClosed
	case c.gate.Load() != g:
		return nil, errNoMove
	}
	paused := *g
	paused.changed, paused.paused = make(chan struct{}), new(pause)
	c.gate.Store(&paused)
	close(g.changed)
	return &paused, nil
}

// settled waits until no planned move is running: without a connection the session cannot be closed. It is called after
// closing is closed, so no other move begins. The running one takes T/2 at most.
func (c *core) settled(ctx context.Context) {
	for g := c.gate.Load(); g.paused != nil; g = c.gate.Load() {
		select {
		case <-g.changed:
		case <-ctx.Done():
			return
		}
	}
}

// unpause lets operations continue, unless the link was broken for the move: then the supervisor decides.
func (c *core) unpause(paused *gate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gate.Load() != paused || !paused.paused.abandon() {
		return
	}
	g := *paused
	g.changed, g.paused = make(chan struct{}), nil
	c.gate.Store(&g)
	close(paused.changed)
}

// lone is the kind of a request that is sent when everything before it has been answered, and delays everything after
// it.
type lone struct{}

func (lone) Alone() bool       { return true }
func (lone) Ended(bool, error) {}

// leaveLink breaks the link when everything that was sent on it is answered. It does so in the goroutine that receives
// the last reply, so nothing can be sent in between.
func (c *core) leaveLink(ctx context.Context, e *epoch, paused *gate) error {
	limit := e.wire.Timeout() / moveLimit
	if c.slow {
		limit = e.wire.Timeout() / slowLimit
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w: the server has not answered for %v: %w", errSlow, limit, context.DeadlineExceeded))
	defer cancel()
	last := existsQuery("/", false).call(ctx)
	last.Kind = lone{}
	last.Over = func(err error) {
		if err == nil && c.gate.Load() == paused && paused.paused.leave() {
			e.wire.Break(errMoving)
		}
	}
	if err := e.wire.Send(&last.Call); err != nil {
		return errNoMove
	}
	switch over, err := last.Wait(ctx.Done()); {
	case !over:
		return ContextError(ctx)
	case err != nil:
		return callError(ctx, err)
	case !paused.paused.left():
		return errNoMove
	}
	return nil
}

// arrived waits until a connection with this dial number, or a later one, is up.
func (c *core) arrived(ctx context.Context, number int64) error {
	for {
		g := c.gate.Load()
		switch {
		case g.serves(nil) && g.dial >= number:
			return nil
		case isClosed(c.quit):
			return ErrClosed
		}
		select {
		case <-g.changed:
		case <-c.quit:
		case <-ctx.Done():
			return c.notConnected(ContextError(ctx))
		}
	}
}

// moves reports whether a link, or an attempt to connect, has ended during a move that may still succeed, and sets the
// time limit for that.
func (c *core) moves(e *epoch, cause error) bool {
	switch {
	case !c.gate.Load().leaving() || !errors.Is(cause, errLink) || !e.trusted():
		return false
	case e.moveBy.IsZero() && errors.Is(cause, errMoving):
		e.moveBy = time.Now().Add(e.wire.Timeout() / moveLimit)
	}
	return time.Now().Before(e.moveBy)
}

// lateMove ends a move that has passed its time limit.
func (c *core) lateMove(e *epoch) {
	if c.gate.Load().leaving() && !e.moveBy.IsZero() && !time.Now().Before(e.moveBy) {
		c.down(e, fmt.Errorf("%w: a planned move was not complete after %v", errLink, e.wire.Timeout()/moveLimit))
	}
}

// redial opens a connection to the next server in turn.
func (e *epoch) redial(ctx context.Context) (*offer, error) {
	server, wait := e.core.hosts.take()
	if err := sleep(ctx, wait); err != nil {
		return nil, err
	}
	next, err := e.core.hosts.dial(ctx, server, e.left())
	e.core.telemetry.Dialled(err)
	return next, err
}

// renew makes sure that a connection that begins after this call serves the session.
func (c *core) renew(ctx context.Context, why string) error {
	begun := c.dials.Add(1)
	pauses := sessionRetries.WithRand(c.random.float64).Start()
	var last error // of an attempt; says more than that ctx has ended
	for {
		g := c.gate.Load()
		if !g.serves(nil) {
			if err := c.changed(ctx, g); err != nil {
				return err
			}
			continue
		}
		if g.dial > begun {
			return nil
		}
		err := c.move(ctx, g.epoch.redial, why)
		if err == nil || errors.Is(err, ErrClosed) {
			return err
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if c.rest(ctx, pauses, err) != nil {
			return also(ContextError(ctx), last)
		}
	}
}

// rest waits after a failed attempt. After an attempt that held up operations for long it waits for a session timeout.
func (c *core) rest(ctx context.Context, pauses *retry.Attempts, err error) error {
	if errors.Is(err, errSlow) {
		return sleep(ctx, c.grant.timeout())
	}
	return pauses.Wait(ctx)
}

// also adds an explanation to err.
func also(err, why error) error {
	if errors.Is(why, err) {
		return why
	}
	return fmt.Errorf("%w: %w", err, why)
}

// changed waits until g is no longer current.
func (c *core) changed(ctx context.Context, g *gate) error {
	select {
	case <-g.changed:
		return nil
	case <-c.quit:
		return ErrClosed
	case <-ctx.Done():
		return c.notConnected(ContextError(ctx))
	}
}

// Reconnect moves the session to a new connection, which is dialled, secured and authenticated again. Use it after a
// certificate or SASL credentials were replaced, if the current connection must not continue with the former ones.
//
// The state changes from Connected to Reconnected without SUSPENDED, and no claim ends. The new connection is dialled
// first. Operations wait until everything that was sent is answered and the new connection has the session, which takes
// a few round trips. If the new connection cannot be opened, the old one stays in use, and Reconnect retries until ctx
// ends. If the new connection fails before it has the session, the client dials other servers. It is SUSPENDED if none
// of them has the session within a sixth of the session timeout.
//
// Without a connection, Reconnect waits for the next one. It returns [ErrClosed] after Close.
func (c *Client) Reconnect(ctx context.Context) error {
	if err := c.usable(); err != nil {
		return err
	}
	if err := c.core.renew(ctx, "Reconnect was called"); err != nil {
		return fmt.Errorf("zookeeper %s: no new connection: %w", c.core.cfg.ConnectString, c.core.blame(err))
	}
	return nil
}

var _ wire.Kind = lone{}
