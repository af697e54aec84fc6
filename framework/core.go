package framework

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/fanout"
	"github.com/docent-zk/docent/internal/telemetry"
	"github.com/docent-zk/docent/internal/wire"
)

// core is the state that all views of a client (namespaces, sessions) share. One goroutine, the supervisor, moves it
// from epoch to epoch and from state to state.
type core struct {
	cfg       Config
	log       *slog.Logger // writes to lane, which never blocks
	lane      *logLane
	hosts     *hosts
	grant     grant
	random    *random
	telemetry *telemetry.Client
	sleep     *sleepLog
	abandoned *wire.Abandoned

	gate    atomic.Pointer[gate]
	hub     fanout.Hub[StateChange]
	janitor janitor
	live    registry
	repeats repeats
	rebuilt rebuilt
	service service
	overdue overdue

	creating    creating
	sessionFile sessionFile

	era atomic.Int64 // number of times that the servers have gone back to an earlier transaction

	can capabilities

	closing  chan struct{} // closed by Close when recipes and claims are to end
	quit     chan struct{} // closed when the supervisor should end the last epoch
	stopped  chan struct{} // closed when the supervisor has ended
	retiring sync.WaitGroup

	identities identities
	moving     chan struct{} // holds a token while a planned move is running
	slow       bool          // the last move was given up because operations took too long; owned by the holder of the token
	dials      atomic.Int64  // numbers the dials
	doubtful   atomic.Bool   // the last connection ended before a server granted a session on it
	planned    atomic.Pointer[plannedMove]
	found      offers // a connection to a full server, for the next epoch

	mu       sync.Mutex       // guards the fields below, and keeps the hub in step with the gate
	epochs   map[int64]uint64 // of earlier sessions, by session id
	lastDial error            // why the last dial failed; nil while there is a connection
	history  []StateChange    // the latest changes: a ring buffer once it is full
	oldest   int              // index of the oldest entry
}

// gate is the current state and its epoch. Every change installs a new gate and closes the old one's changed channel.
type gate struct {
	StateChange
	epoch   *epoch
	changed chan struct{}
	dial    int64  // number of the connection's dial; 0 before the first
	paused  *pause // operations wait for it; nil if they do not wait
}

// pausedIn reports whether operations in e wait for a planned move.
func (g *gate) pausedIn(e *epoch) bool { return g.paused != nil && g.epoch == e && e.ctx.Err() == nil }

// leaving reports whether the session is between two connections.
func (g *gate) leaving() bool { return g.paused != nil && g.paused.left() }

// publish makes ch the current state, adds the previous state, and notifies the subscribers.
func (c *core) publish(e *epoch, ch StateChange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.gate.Load()
	ch.Previous, ch.Time = old.State, time.Now()
	if e != nil {
		ch.Epoch, ch.SessionID, ch.Timeout, ch.Server = e.n, e.wire.ID(), e.wire.Timeout(), e.server
	}
	next := &gate{StateChange: ch, epoch: e, changed: make(chan struct{})}
	if e != nil {
		next.dial = e.upNo
	}
	c.gate.Store(next)
	close(old.changed)
	c.hub.Publish(ch)
	c.remember(ch)
	c.say(ch)
	c.telemetry.StateChanged(telemetryChange(ch))
	if ch.State == Connected {
		c.epochs[ch.SessionID] = ch.Epoch
	}
}

// epochOf returns the epoch that had the session with this id, if it was a session of this client. Epoch 0 is the
// session of the previous process.
func (c *core) epochOf(session int64) (n uint64, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known = c.epochs[session]
	return n, known
}

// regressed is called when a server shows an older transaction than was seen before. Session ids may then be reused, so
// the ids of earlier sessions are forgotten.
func (c *core) regressed(present int64) {
	c.era.Add(1)
	c.mu.Lock()
	maps.DeleteFunc(c.epochs, func(id int64, _ uint64) bool { return id != present })
	c.mu.Unlock()
	c.log.Warn("the servers have gone back to an earlier transaction: their data was lost, or restored from a backup")
}

// say logs a change of state.
func (c *core) say(ch StateChange) {
	level := slog.LevelInfo
	switch {
	case errors.Is(ch.Cause, errWritable):
	case ch.State == Lost || ch.State == ReadOnly:
		level = slog.LevelWarn
	case (ch.State == Suspended || ch.State == Reconnected) && (c.identities.failed() != nil || c.service.quiet()):
		level = slog.LevelDebug // the outage continues until the logged problem is solved
	case ch.State == Suspended:
		level = slog.LevelWarn
	}
	var cause []any
	if ch.Cause != nil {
		cause = []any{"cause", ch.Cause}
	}
	c.log.Log(context.Background(), level, "zookeeper connection is "+ch.State.String(),
		append([]any{"epoch", ch.Epoch, "session", hex(ch.SessionID), "server", ch.Server}, cause...)...)
}

// subscribe is atomic with publish, so a subscriber receives every change after its first one.
func (c *core) subscribe(ctx context.Context) <-chan StateChange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hub.Subscribe(ctx, c.gate.Load().StateChange)
}

// dialled records the result of the latest dial.
func (c *core) dialled(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastDial = err
}

// notConnected returns why an operation was not sent. It leaves out a last attempt that failed over the client's
// identity, because blame adds that reason.
func (c *core) notConnected(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if refused := c.identities.failure.Load(); c.lastDial != nil && !refused.explains(c.lastDial) {
		return fmt.Errorf("%w: %w; last attempt: %v", ErrNotConnected, cause, c.lastDial)
	}
	return fmt.Errorf("%w: %w", ErrNotConnected, cause)
}

// blame adds the server's refusal of the client's identity, if there is one, to the error of a call that ended. In that
// case no connection lasts, and this is the reason.
func (c *core) blame(err error) error {
	if refused := c.identities.failed(); refused != nil && !errors.Is(err, refused) {
		return fmt.Errorf("%w; %w", err, refused)
	}
	return err
}

// supervise runs epochs until the client is closed.
func (c *core) supervise(e *epoch) {
	defer close(c.stopped)
	for {
		cause := c.follow(e)
		if errors.Is(cause, ErrClosed) {
			e.endBindings(ErrClosed)
			e.shutdown(c.gate.Load().State.CanRead(), ErrClosed)
			e.watches.end(ErrClosed)
			break
		}
		c.retire(e)
		next, err := openEpoch(c, e.n+1, e.zxid())
		if err != nil { // the driver rejects its own arguments, which cannot happen
			c.log.Error("no further session can be started", "error", err)
			break
		}
		e = next
	}
	c.retiring.Wait()
	c.found.drop()
	c.abandoned.Close()
	c.closeSessionFile(e)
	c.publish(nil, StateChange{State: Closed, Epoch: e.n, Cause: ErrClosed})
	c.hub.Close()
	c.telemetry.Close()
}

// retire closes the connection of a lost epoch while the next epoch begins, since the driver may take a second.
func (c *core) retire(e *epoch) {
	c.retiring.Add(1)
	go func() {
		defer c.retiring.Done()
		e.shutdown(false, ErrSessionLost)
	}()
}

// follow moves one epoch through its states and returns why it has ended. After each wake-up it checks the clocks
// first, since it may have slept for longer than intended.
func (c *core) follow(e *epoch) error {
	if e.n == 0 {
		return c.followFormer(e)
	}
	timer := time.NewTimer(c.nextCheck(e))
	defer timer.Stop()
	for {
		select {
		case <-c.quit:
			return ErrClosed
		case <-e.signals.ready:
		case <-timer.C:
		}
		over := c.checkClocks(e)
		if over == nil {
			over = c.handle(e, e.signals.take())
		}
		if over != nil {
			c.lose(e, over)
			return over
		}
		c.tend(e)
		timer.Reset(c.nextCheck(e))
	}
}

// handle processes signals of the driver. It returns the cause if the session has ended.
func (c *core) handle(e *epoch, signals []signal) error {
	for _, s := range signals {
		switch s.kind {
		case linkUp:
			c.up(e, s.server, s.dial)
		case linkDown:
			c.down(e, s.cause)
		case sessionExpired, writable:
			return s.cause
		}
	}
	return nil
}

// up handles an established session.
func (c *core) up(e *epoch, server string, dial int64) {
	c.dialled(nil)
	e.server, e.upNo, e.moveBy = server, dial, time.Time{}
	if e.wire.ReadOnly() {
		c.upReadOnly(e)
		return
	}
	switch g := c.gate.Load(); g.State {
	case Connected, Reconnected: // the break was planned or not reported: treat it as the same connection
		if g.leaving() {
			c.publish(e, StateChange{State: Reconnected})
		}
	case Suspended:
		e.resumeBindings()
		c.record(e)
		c.publish(e, StateChange{State: Reconnected})
	default:
		c.record(e)
		c.publish(e, StateChange{State: Connected})
	}
	if _, late := e.openedLate(); late {
		c.askAtOnce(e)
	}
}

// askAtOnce sends an exists request, because a reply is needed before the first ping's.
func (c *core) askAtOnce(e *epoch) {
	c.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(e.ctx, e.wire.Timeout())
		defer cancel()
		_, _ = e.stat(ctx, "/")
	})
}

// down handles a broken connection. A failed attempt to connect is handled like one, and changes nothing.
func (c *core) down(e *epoch, cause error) {
	if !c.gate.Load().State.CanRead() || c.moves(e, cause) {
		return
	}
	e.moveBy = time.Time{}
	e.suspendBindings()
	c.publish(e, StateChange{State: Suspended, Cause: cause})
}

// checkClocks checks the two clocks of the session. It returns the cause if the session has ended.
func (c *core) checkClocks(e *epoch) error {
	if !c.reached(e) || e.wire.ReadOnly() {
		return nil
	}
	c.lateMove(e)
	last := e.wire.LastAnswered()
	if e.trusted() {
		return nil
	}
	e.distrust()
	e.void = last
	if e.silent() {
		return e.silence()
	}
	if c.gate.Load().State.Connected() && !e.spared() {
		cause := fmt.Errorf("%w: %s has not answered since %v", ErrUntrusted, e.server, time.Since(last).Round(time.Millisecond))
		e.wire.Break(cause) // another server may reply while the session still lives
		c.down(e, cause)
	}
	return nil
}

// nextCheck returns how long the supervisor may sleep before it checks the clocks again: until the next clock runs out
// (zero if one has run out since the last check), and at most an eighth of the timeout, so that the suspension of the
// machine is noticed soon after it ends. A clock that has been acted on does not count.
func (c *core) nextCheck(e *epoch) time.Duration {
	if !c.reached(e) {
		return time.Hour // no clock is running; the first connection sends a signal
	}
	next := time.Now().Add(e.wire.Timeout() / 8)
	for _, due := range []time.Time{e.lostAt(), e.trustEnds(), e.moveBy} {
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return max(0, time.Until(next))
}

// reached reports whether the current state belongs to e. Before e's first connection, it belongs to the previous
// epoch.
func (c *core) reached(e *epoch) bool { return c.gate.Load().epoch == e }

// lose ends a session. First its connection is fenced, then everything that depends on it ends, then subscribers are
// notified.
func (c *core) lose(e *epoch, cause error) {
	e.fence(cause)
	e.endBindings(cause)
	e.watches.end(ErrSessionLost)
	c.down(e, cause) // SUSPENDED always comes before LOST
	if c.reached(e) {
		c.publish(e, StateChange{State: Lost, Cause: cause})
	}
	if e.wire.ReadOnly() {
		c.service.restart()
	}
}
