package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
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
	servers, root, _ := parseConnectString(cfg.ConnectString)
	if cfg.Namespace != "" {
		root, _ = root.child(cfg.Namespace)
	}
	c := &core{
		cfg: cfg, log: cfg.Logger, random: &random{r: cfg.Random}, sleep: newSleepLog(asleep),
		closing: make(chan struct{}), quit: make(chan struct{}), stopped: make(chan struct{}), logged: make(chan struct{}),
		epochs: make(map[int64]uint64),
	}
	c.random.panicked = c.panicked
	c.hosts = newHosts(&c.cfg, servers, c.random, c.panicked)
	c.janitor.init(c)
	begun := StateChange{State: Connecting, Time: time.Now()}
	c.gate.Store(&gate{StateChange: begun, changed: make(chan struct{})})
	c.remember(begun)
	c.startTelemetry()
	e, err := openEpoch(c, 1, 0)
	if err != nil {
		c.telemetry.Close()
		return nil, err
	}
	c.startLog()
	go c.supervise(e)
	return &Client{ops: ops{core: c, space: root}, closer: &closer{done: make(chan struct{})}}, nil
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
	return &Client{ops: ops{core: c.core, space: s}, closer: c.closer}, nil
}

// State is the latest change of the connection's state.
func (c *Client) State() StateChange { return c.core.gate.Load().StateChange }

// States returns a channel of state changes: the present one, then every later one in order, none left out, however
// slowly it is read. The channel is closed when ctx ends, and after Closed. What was not read is kept in memory until ctx
// ends, so a reader that has lost interest must end ctx.
func (c *Client) States(ctx context.Context) <-chan StateChange { return c.core.subscribe(ctx) }

// WaitConnected waits until operations can be sent. It returns [ErrNotConnected], with the reason of the last failed
// attempt, when ctx ends first, and [ErrClosed] after Close.
func (c *Client) WaitConnected(ctx context.Context) error {
	if err := c.usable(); err != nil {
		return err
	}
	if _, err := c.await(ctx, c.core.quit); err != nil {
		return fmt.Errorf("zookeeper %s: %w", c.core.cfg.ConnectString, c.core.blame(err))
	}
	return nil
}

// Session waits for a connection and returns the session behind it. Recipes get theirs from [Client.Run].
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
// under way returns [ErrClosed]. It returns an error if a recipe did not return in time.
// Whoever holds a claim outside of a recipe, as a lock.Held is, releases it first: Close does not wait for it.
//
// All goroutines of the client have ended when it returns, but for those of such recipes, of subscribers of States that have
// not read to the end, and of a provider of telemetry that has not returned for Config.CloseTimeout. Close may be called repeatedly and from any goroutine except a recipe's own.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.core.cfg.CloseTimeout)
	defer cancel()
	return c.Shutdown(ctx)
}

// Shutdown is Close with ctx in place of Config.CloseTimeout. When the client is being closed already, it waits for that, until
// ctx ends.
func (c *Client) Shutdown(ctx context.Context) error {
	if c.closer.begun.CompareAndSwap(false, true) {
		c.closer.err = c.core.shutdown(ctx)
		close(c.closer.done)
		return c.closer.err
	}
	select {
	case <-c.closer.done:
		return c.closer.err
	case <-ctx.Done():
		return fmt.Errorf("zookeeper: the client is still being closed: %w", context.Cause(ctx))
	}
}

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
	err := c.stuck(context.Cause(ctx))
	close(c.quit)
	c.janitor.close()
	<-c.stopped
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
