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

// core is what the views of one client (namespaces, sessions) share. One goroutine, the supervisor, moves it from epoch to
// epoch and from state to state.
type core struct {
	cfg       Config
	log       *slog.Logger // to lane: it never blocks
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

	era atomic.Int64 // counts how often the servers have gone back to an earlier transaction

	can capabilities

	closing  chan struct{} // closed by Close: recipes and claims are being ended
	quit     chan struct{} // closed when the supervisor should end the last epoch
	stopped  chan struct{} // closed when it has
	retiring sync.WaitGroup

	identities identities
	moving     chan struct{} // holds a token while a session moves as planned
	dials      atomic.Int64  // numbers the dials
	doubtful   atomic.Bool   // the latest connection has ended before a server granted a session on it
	found      offers        // a connection to a full server, for the next epoch

	mu       sync.Mutex       // guards the hub's order against the gate, and the following
	epochs   map[int64]uint64 // of the sessions there were, by their ids
	lastDial error            // why the last dial failed, for the error of an operation that found no connection; nil while there is one
	history  []StateChange    // the latest changes: a ring once it is full
	oldest   int              // where that begins
}

// gate is the present: the latest state and the epoch behind it. A new one is put in place at every change, and the old
// one's changed channel closed.
type gate struct {
	StateChange
	epoch   *epoch
	changed chan struct{}
	dial    int64  // the number of the dial of the connection; 0 before the first
	paused  *pause // operations wait; nil if they do not
}

// pausedIn reports whether operations in e wait for a planned move.
func (g *gate) pausedIn(e *epoch) bool { return g.paused != nil && g.epoch == e && e.ctx.Err() == nil }

// leaving reports whether the session is on its way from one connection to another.
func (g *gate) leaving() bool { return g.paused != nil && g.paused.left() }

// publish makes ch the state, fills in what it follows from, and tells the subscribers.
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

// epochOf returns the epoch that had the session with this id, if one of this client had. That of the process before is 0.
func (c *core) epochOf(session int64) (n uint64, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known = c.epochs[session]
	return n, known
}

// regressed is called when a server shows an older transaction than was seen before. Ids of sessions may be given away again too,
// so that nothing follows from those that this client had before the present one.
func (c *core) regressed(present int64) {
	c.era.Add(1)
	c.mu.Lock()
	maps.DeleteFunc(c.epochs, func(id int64, _ uint64) bool { return id != present })
	c.mu.Unlock()
	c.log.Warn("the servers have gone back to an earlier transaction: their data was lost, or restored from a backup")
}

// say writes a change of state to the log.
func (c *core) say(ch StateChange) {
	level := slog.LevelInfo
	switch {
	case errors.Is(ch.Cause, errWritable):
	case ch.State == Lost || ch.State == ReadOnly:
		level = slog.LevelWarn
	case (ch.State == Suspended || ch.State == Reconnected) && (c.identities.failed() != nil || c.service.quiet()):
		level = slog.LevelDebug // it goes on until what the log has been told of is put right
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

// subscribe is atomic with publish, so that a subscriber sees every change after its first.
func (c *core) subscribe(ctx context.Context) <-chan StateChange {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hub.Subscribe(ctx, c.gate.Load().StateChange)
}

// dialled notes how the latest dial has ended.
func (c *core) dialled(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastDial = err
}

// notConnected describes why an operation was not sent.
func (c *core) notConnected(cause error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastDial != nil {
		return fmt.Errorf("%w: %w; last attempt: %v", ErrNotConnected, cause, c.lastDial)
	}
	return fmt.Errorf("%w: %w", ErrNotConnected, cause)
}

// blame adds to the error of a call that was given up that a server has refused the client's identity: then no connection
// lasts, and nothing else matters.
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
		if err != nil { // the driver refuses its own arguments: not in this world
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

// retire closes a lost epoch's connection beside the next epoch: the driver may take a second for it.
func (c *core) retire(e *epoch) {
	c.retiring.Add(1)
	go func() {
		defer c.retiring.Done()
		e.shutdown(false, ErrSessionLost)
	}()
}

// follow moves one epoch through its states and returns why it is over. Whatever wakes it, it looks at the clocks first: it may
// have been asleep for longer than it wanted.
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

// handle answers what the driver said. It returns the cause when the session is over.
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

// up is the driver's report of an established session.
func (c *core) up(e *epoch, server string, dial int64) {
	c.dialled(nil)
	e.server, e.upNo, e.moveBy = server, dial, time.Time{}
	if e.wire.ReadOnly() {
		c.upReadOnly(e)
		return
	}
	switch g := c.gate.Load(); g.State {
	case Connected, Reconnected: // its break was planned, or not reported: then it is the same link to us
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

// askAtOnce sends an exists, because its answer is needed before the first ping's.
func (c *core) askAtOnce(e *epoch) {
	c.retiring.Go(func() {
		ctx, cancel := context.WithTimeout(e.ctx, e.wire.Timeout())
		defer cancel()
		_, _ = e.stat(ctx, "/")
	})
}

// down is the report of a broken link, or of a failed attempt to get one, which says nothing new.
func (c *core) down(e *epoch, cause error) {
	if !c.gate.Load().State.CanRead() || c.moves(e, cause) {
		return
	}
	e.moveBy = time.Time{}
	e.suspendBindings()
	c.publish(e, StateChange{State: Suspended, Cause: cause})
}

// checkClocks looks at the two clocks of the session. It returns the cause when the session is over.
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
		e.wire.Break(cause) // another server may answer while the session still lives
		c.down(e, cause)
	}
	return nil
}

// nextCheck is how long the supervisor may sleep before it looks at the clocks again: until the next of them runs out, which
// is at once if one has run out since it looked, and not longer than an eighth of the timeout, so that a machine that was asleep
// is noticed soon after it wakes. A clock that it has acted upon does not count.
func (c *core) nextCheck(e *epoch) time.Duration {
	if !c.reached(e) {
		return time.Hour // no clock runs, and a signal comes with the first connection
	}
	next := time.Now().Add(e.wire.Timeout() / 8)
	for _, due := range []time.Time{e.lostAt(), e.trustEnds(), e.moveBy} {
		if !due.IsZero() && due.Before(next) {
			next = due
		}
	}
	return max(0, time.Until(next))
}

// reached reports whether the present state belongs to e: before its first connection the state is that of its predecessor.
func (c *core) reached(e *epoch) bool { return c.gate.Load().epoch == e }

// lose ends a session: first it can send nothing more, then everything that hangs on it ends, then the world is told.
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
