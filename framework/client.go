package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/wire"
)

// Client is a connection to a ZooKeeper ensemble that outlives its sessions. It is safe for concurrent use, and a
// process needs only one. A Client of a namespace shares everything with the Client that it was derived from.
type Client struct {
	ops
	closer *closer
}

// closer closes a client once.
type closer struct {
	begun atomic.Bool
	done  chan struct{} // closed when err is set
	err   error
}

// New starts a client. It does not wait for a connection: see [Client.WaitConnected]. Its error lists everything that
// is wrong with cfg.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return start(cfg, asleepSoFar)
}

// start creates a client for a valid configuration. asleep returns for how long the machine has been suspended; tests
// replace it.
func start(cfg Config, asleep func() time.Duration) (*Client, error) {
	cfg = cfg.withDefaults().detached()
	source, err := newTLSSource(&cfg)
	if err != nil {
		return nil, err
	}
	servers, root, _ := cfg.servers()
	if cfg.Namespace != "" {
		root, _ = root.child(cfg.Namespace)
	}
	c := &core{
		cfg: cfg, random: &random{r: cfg.Random}, sleep: newSleepLog(asleep), grant: grant{asked: cfg.SessionTimeout},
		closing: make(chan struct{}), quit: make(chan struct{}), stopped: make(chan struct{}),
		epochs: make(map[int64]uint64), moving: make(chan struct{}, 1),
	}
	if err := c.openSessionFile(); err != nil {
		return nil, err
	}
	begun := StateChange{State: Connecting, Time: time.Now()}
	c.gate.Store(&gate{StateChange: begun, changed: make(chan struct{})})
	c.remember(begun)
	c.startTelemetry()
	c.lane, c.log = newLogLane(cfg.Logger, func() { c.telemetry.Panicked("Logger") })
	c.random.panicked, c.live.log, c.telemetry.Log = c.panicked, c.log, c.log
	c.can.init(c.log)
	c.identities.init(c.log, cfg.Auth)
	c.hosts = newHosts(&c.cfg, &c.grant, servers, c.random, c.panicked)
	roster := newRoster(c, servers)
	c.hosts.seek = func(ctx context.Context) error {
		_, _, err := roster.seek(ctx)
		return err
	}
	c.hosts.tls, source.log = source, c.log
	c.janitor.init(c)
	c.abandoned = wire.NewAbandoned(func() time.Duration { return 2 * min(c.grant.timeout(), longHandshake) }, c.grant.take)
	e, err := c.firstEpoch()
	if err != nil {
		c.closeSessionFile(nil)
		c.telemetry.Close()
		return nil, err
	}
	if c.cfg.rosterNeeded(servers) {
		roster.start()
	}
	c.retiring.Go(func() { source.watch(c.quit) })
	go c.supervise(e)
	return &Client{ops: ops{core: c, space: root, failFast: cfg.FailFast}, closer: &closer{done: make(chan struct{})}}, nil
}

// usable returns an error for a nil Client, which usually means that an error of New was ignored.
func (c *Client) usable() error {
	if c == nil || c.core == nil {
		return errors.New("the *framework.Client is nil or empty: use the one that framework.New has returned without an error")
	}
	return nil
}

// Namespace returns a client for the paths below path, in this client's own namespace. It shares the session; closing
// either client closes both.
func (c *Client) Namespace(path string) (*Client, error) {
	s, err := c.space.child(path)
	if err != nil {
		return nil, err
	}
	below := c.ops
	below.space = s
	return &Client{ops: below, closer: c.closer}, nil
}

// State returns the latest change of the connection's state. A nil Client is Closed.
func (c *Client) State() StateChange {
	if err := c.usable(); err != nil {
		return StateChange{State: Closed, Cause: err}
	}
	return c.core.gate.Load().StateChange
}

// States delivers the current state and then every change, in order and without gaps, however slowly the channel is
// read. The channel is closed when ctx ends, and after Closed. Changes that are not received are kept in memory until
// ctx ends, so end ctx when you stop receiving.
func (c *Client) States(ctx context.Context) <-chan StateChange { return c.core.subscribe(ctx) }

// WaitConnected waits until operations can be sent. If ctx ends first, it returns [ErrNotConnected] with the reason of
// the last failed attempt. After Close it returns [ErrClosed]. A connection does not count if the servers are known to
// refuse the client's identity. In that case the error also is an [*AuthError].
//
// With [Config.ReadOnly], a connection to a read-only server counts. State says which kind it is.
func (c *Client) WaitConnected(ctx context.Context) error {
	if err := c.usable(); err != nil {
		return err
	}
	if err := c.core.awaitAccepted(ctx, c.ops); err != nil {
		return fmt.Errorf("zookeeper %s: %w", c.core.cfg.ConnectString, c.core.blame(err))
	}
	return nil
}

// awaitAccepted waits for a connection on which the client is not known to be refused.
func (c *core) awaitAccepted(ctx context.Context, o ops) error {
	for {
		if _, err := o.awaitFor(ctx, reads, c.quit); err != nil {
			return err
		}
		refused, changed := c.identities.watch()
		if refused == nil {
			return nil
		}
		select {
		case <-changed:
		case <-c.quit:
		case <-ctx.Done():
			return c.notConnected(ContextError(ctx))
		}
	}
}

// Session waits for a connection and returns its session. Recipes get their session from [Client.Run]. Session does not
// return a session of a read-only server, in which nothing can be held: see [Config.ReadOnly].
func (c *Client) Session(ctx context.Context) (*Session, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	e, err := c.await(ctx, c.core.quit)
	if err != nil {
		return nil, fmt.Errorf("zookeeper %s: %w", c.core.cfg.ConnectString, c.core.blame(err))
	}
	return c.session(e), nil
}

func (c *Client) session(e *epoch) *Session {
	return &Session{ops: ops{core: c.core, space: c.space, fixed: e}, e: e}
}

// Close closes the client, in this order:
//
//   - Contexts that depend on the session end with [ErrClosed].
//   - Close waits for running recipes, for Config.CloseTimeout at most. It returns an error if one did not return in
//     time.
//   - The session is closed, so its ephemeral nodes are removed immediately. Without a reply from a server, this takes
//     a second.
//   - Pending calls return their reply, if it arrives before that to the close request. Otherwise they return
//     [ErrClosed], and also [ErrOutcomeUnknown] for a write that was sent.
//
// Close does not wait for claims that are held outside of a recipe, such as a lock.Held. Release them first.
//
// When Close returns, all goroutines of the client have ended, except those of recipes that did not return, of States
// channels that were not read to the end, of a telemetry provider that did not return within Config.CloseTimeout, and
// of a log handler that did not return within a second. Close may be called more than once and from any goroutine,
// except from a running recipe.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.core.bounds().closing)
	defer cancel()
	if c.closer.begin() {
		c.closer.end(c.core.shutdown(ctx))
	}
	return c.closer.wait(ctx)
}

// Shutdown closes the client as Close does, but waits for recipes only until ctx ends. The session is closed in any
// case.
//
// Shutdown outlasts ctx by up to 50 ms, which is enough for a nearby server to close the session. If it is not enough,
// Shutdown returns an error with the cause of ctx and continues in the background. By then the close request has been
// written, unless there is no connection or the connection accepts no bytes. The reply is awaited for up to a second.
// Telemetry and the log then have the same time as with Close. A further Shutdown or Close waits for the rest, until
// its ctx or Config.CloseTimeout ends.
func (c *Client) Shutdown(ctx context.Context) error {
	if c.closer.begin() {
		go func() { c.closer.end(c.core.shutdown(ctx)) }()
	}
	return c.closer.wait(ctx)
}

const (
	// shutdownGrace is how long Shutdown outlasts its ctx.
	shutdownGrace = 50 * time.Millisecond
	// logPatience is how long Close waits for the log handler.
	logPatience = time.Second
)

// begin reports whether the caller is the one that closes the client.
func (c *closer) begin() bool { return c.begun.CompareAndSwap(false, true) }

func (c *closer) end(err error) {
	c.err = err
	close(c.done)
}

// wait waits until the client is closed, or until shutdownGrace after the end of ctx.
func (c *closer) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	}
	t := time.NewTimer(shutdownGrace)
	defer t.Stop()
	select {
	case <-c.done:
		return c.err
	case <-t.C:
		return fmt.Errorf("zookeeper: the client is still being closed: %w", ContextError(ctx))
	}
}

// shutdown closes everything. It waits for recipes until ctx ends, and for the rest as long as it takes.
func (c *core) shutdown(ctx context.Context) error {
	empty := c.live.close()
	// A caller that loads the gate's epoch after this has seen closing. A caller that loaded it before is ended below.
	c.mu.Lock()
	close(c.closing)
	c.mu.Unlock()
	if g := c.gate.Load(); g.epoch != nil {
		g.epoch.endBindings(ErrClosed)
	}
	select {
	case <-empty:
	case <-ctx.Done():
	}
	err := c.stuck(ContextError(ctx))
	c.settled(ctx)
	close(c.quit)
	c.janitor.close()
	<-c.stopped
	c.lane.close(min(logPatience, c.bounds().closing))
	return err
}

// stuck describes the recipes that had not returned when the session was closed because of cause.
func (c *core) stuck(cause error) error {
	var names []string
	for _, r := range c.live.list() {
		if !r.Held {
			names = append(names, fmt.Sprintf("%s %s (for %v)", r.Name, r.Path, time.Since(r.Since).Round(time.Millisecond)))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("zookeeper: the session is closed although recipes still run: %s: %w", strings.Join(names, ", "), cause)
}
