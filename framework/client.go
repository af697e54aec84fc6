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

// Client is a connection to a ZooKeeper ensemble that outlives its sessions. It is safe for use by many goroutines, and
// one is enough for a process. A Client of a namespace shares everything with the one it came from.
type Client struct {
	ops
	closer *closer
}

// closer runs the end of a client once.
type closer struct {
	begun atomic.Bool
	done  chan struct{} // closed when err is set
	err   error
}

// New starts a client. It does not wait for a connection: see [Client.WaitConnected]. The error lists everything that is
// wrong with cfg.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return start(cfg, asleepSoFar)
}

// start makes a client of a valid configuration, on a machine that has been asleep for so long; tests put one of their own here.
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

// usable is for calls that a recipe begins with: a nil Client mostly comes from an error of New that was not looked at.
func (c *Client) usable() error {
	if c == nil || c.core == nil {
		return errors.New("the *framework.Client is nil or empty: use the one that framework.New has returned without an error")
	}
	return nil
}

// Namespace returns a client that does everything under path, below this client's own namespace. It shares the session;
// closing either closes both.
func (c *Client) Namespace(path string) (*Client, error) {
	s, err := c.space.child(path)
	if err != nil {
		return nil, err
	}
	below := c.ops
	below.space = s
	return &Client{ops: below, closer: c.closer}, nil
}

// State is the latest change of the connection's state.
func (c *Client) State() StateChange { return c.core.gate.Load().StateChange }

// States returns a channel of state changes: the present one, then every later one in order, none left out, however
// slowly it is read. The channel is closed when ctx ends, and after Closed. What was not read is kept in memory until ctx
// ends, so a reader that has lost interest must end ctx.
func (c *Client) States(ctx context.Context) <-chan StateChange { return c.core.subscribe(ctx) }

// WaitConnected waits until operations can be sent. It returns [ErrNotConnected], with the reason of the last failed
// attempt, when ctx ends first, and [ErrClosed] after Close. A connection to servers that are known not to accept the client's
// identity does not count. The error is an [*AuthError] as well then.
//
// With [Config.ReadOnly] a connection to a read-only server counts too. State tells which it is.
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

// Session waits for a connection and returns the session behind it. Recipes get theirs from [Client.Run]. It does not return a session of
// a read-only server, in which nothing can be held: see [Config.ReadOnly].
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

// Close ends the client: contexts that hang on its session end with [ErrClosed], running recipes are waited for, at most
// Config.CloseTimeout, then the session is closed, so that its ephemeral nodes go at once, and every call that is still
// under way returns: with its answer, if one comes ahead of that to the end of the session, else with [ErrClosed], and with
// [ErrOutcomeUnknown] as well if it is a write that was sent. It returns an error if a recipe did not return in time.
// Whoever holds a claim outside of a recipe, as a lock.Held is, releases it first: Close does not wait for it.
//
// All goroutines of the client have ended when Close returns, except those of such recipes, of subscribers of States that have
// not read to the end, of a provider of telemetry that has not returned for Config.CloseTimeout, and of a log handler that has not
// returned for a second. Without an answer from a server the end of the session takes a second. Close may be called repeatedly
// and from any goroutine except a recipe's own.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.core.bounds().closing)
	defer cancel()
	if c.closer.begin() {
		c.closer.end(c.core.shutdown(ctx))
	}
	return c.closer.wait(ctx)
}

// Shutdown is Close, but returns when ctx ends. Recipes are waited for until then, and the session is closed in any case.
//
// Shutdown outlasts ctx by 50 ms at most, in which a server that is near closes the session. If that is not enough, it returns an error
// with the cause of ctx, and goes on in the background: the request that closes the session has been written, unless there is
// no connection or it takes no bytes, and its answer is waited for, for a second at most. Then telemetry and the log have the
// time that they have with Close. Another Shutdown or Close waits for the rest, until its ctx or Config.CloseTimeout ends.
func (c *Client) Shutdown(ctx context.Context) error {
	if c.closer.begin() {
		go func() { c.closer.end(c.core.shutdown(ctx)) }()
	}
	return c.closer.wait(ctx)
}

const (
	// shutdownGrace is how long Shutdown outlasts its ctx.
	shutdownGrace = 50 * time.Millisecond
	// logPatience is how long the end of a client waits for the log handler.
	logPatience = time.Second
)

// begin reports whether the caller is the one that closes the client.
func (c *closer) begin() bool { return c.begun.CompareAndSwap(false, true) }

func (c *closer) end(err error) {
	c.err = err
	close(c.done)
}

// wait waits until the client is closed, or shutdownGrace longer than ctx.
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

// shutdown ends everything. It waits for recipes until ctx ends, and for the rest as long as that takes.
func (c *core) shutdown(ctx context.Context) error {
	empty := c.live.close()
	// Whoever loads the gate's epoch after this has seen closing first; whoever loaded it before is ended here.
	close(c.closing)
	if g := c.gate.Load(); g.epoch != nil {
		g.epoch.endBindings(ErrClosed)
	}
	select {
	case <-empty:
	case <-ctx.Done():
	}
	err := c.stuck(ContextError(ctx))
	close(c.quit)
	c.janitor.close()
	<-c.stopped
	c.lane.close(min(logPatience, c.bounds().closing))
	return err
}

// stuck describes the recipes that have not returned when the session is closed because of cause.
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
