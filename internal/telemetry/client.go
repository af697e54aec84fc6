package telemetry

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Config configures a Client.
type Config struct {
	TracerProvider TracerProvider       // nil: the global one
	MeterProvider  MeterProvider        // nil: the global one
	Servers        string               // the servers of the client, for docent.client
	Look           func() Look          // returns the state of the client; must not wait
	Names          Names                // of common errors
	Closed         error                // the error with which everything ends on Close
	Patience       func() time.Duration // how long Close waits for the providers; nil for no limit
}

// Look is the state of a client at one moment.
type Look struct {
	State        string    // of the connection
	TrustedUntil time.Time // zero while there is no session
}

// Client is the telemetry of one framework.Client. Its methods are safe for concurrent use, and do nothing on nil.
type Client struct {
	tracers
	Log         *slog.Logger // receives the terms of leaders; may be nil
	cfg         Config
	name        string
	instruments instruments
	observed    metric.Registration
	counts      counts
	options     options

	mu      sync.Mutex // guards the fields below
	history history
	session session
	holds   map[*Hold]struct{}
	caches  map[*Cache]struct{}
	kept    map[*listed[bool]]struct{}
	views   map[*listed[int]]struct{}
	queue   []func() // functions to call; a goroutine exists while there are any
	closed  bool
	idle    sync.WaitGroup
}

// New starts the telemetry of a client.
func New(cfg Config) *Client {
	c := &Client{
		cfg: cfg, name: clientNames.take(cfg.Servers), holds: make(map[*Hold]struct{}), caches: make(map[*Cache]struct{}),
		kept: make(map[*listed[bool]]struct{}), views: make(map[*listed[int]]struct{}),
	}
	c.use(cfg.TracerProvider)
	if err := c.instrument(meter(cfg.MeterProvider)); err != nil {
		otel.Handle(fmt.Errorf("docent: %w", err)) // instruments that could not be created do nothing
	}
	return c
}

// Close ends what has not ended yet, and waits until everything has been passed to the providers. If one does not
// return within Config.Patience, Close returns without it, and its goroutine ends later.
func (c *Client) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	holds := c.holds
	c.holds = nil
	c.mu.Unlock()
	for h := range holds {
		h.End(h.cause(c.cfg.Closed))
	}
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.leave()
	}()
	c.await(done)
}

// await waits for the providers.
func (c *Client) await(done <-chan struct{}) {
	if c.cfg.Patience == nil {
		<-done
		return
	}
	patience := c.cfg.Patience()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		otel.Handle(fmt.Errorf("docent: OpenTelemetry's providers have not returned within %v of the end of client %s: it is closed without them",
			patience, c.name))
	}
}

// leave runs the queued functions, and unregisters the client from the providers.
func (c *Client) leave() {
	c.idle.Wait()
	if c.observed != nil {
		if err := c.observed.Unregister(); err != nil {
			otel.Handle(fmt.Errorf("docent: %w", err))
		}
	}
	clientNames.give(c.name)
}

// later calls f in a goroutine that may wait. After Close it calls f directly.
func (c *Client) later(f func()) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.enqueue(f)
	}
	c.mu.Unlock()
	if closed {
		f()
	}
}

// enqueue is later with the mutex held, before Close.
func (c *Client) enqueue(f func()) {
	c.queue = append(c.queue, f)
	if len(c.queue) == 1 {
		c.idle.Go(c.drain)
	}
}

// drain runs until the queue is empty. The running function stays in the queue, so that there is only one goroutine.
func (c *Client) drain() {
	for f := c.first(); f != nil; f = c.next() {
		f()
	}
}

func (c *Client) first() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue[0]
}

func (c *Client) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue[0] = nil
	c.queue = c.queue[1:]
	if len(c.queue) == 0 {
		c.queue = nil
		return nil
	}
	return c.queue[0]
}

// tracer returns nil if nothing is traced.
func (c *Client) tracer() trace.Tracer {
	if c == nil {
		return nil
	}
	return c.get()
}

// clientNames are the current names of this process's clients.
var clientNames = nameTable{taken: make(map[string]bool)}

type nameTable struct {
	mu    sync.Mutex
	taken map[string]bool
}

// take derives a unique client name from servers.
func (t *nameTable) take(servers string) string {
	servers, _, _ = strings.Cut(servers, "/") // paths are not used as labels
	t.mu.Lock()
	defer t.mu.Unlock()
	name := servers
	for n := 2; t.taken[name]; n++ {
		name = fmt.Sprintf("%s#%d", servers, n)
	}
	t.taken[name] = true
	return name
}

func (t *nameTable) give(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, name)
}
