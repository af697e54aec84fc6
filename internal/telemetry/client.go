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

// Config says whom a Client works for.
type Config struct {
	TracerProvider TracerProvider       // nil: the global one
	MeterProvider  MeterProvider        // nil: the global one
	Servers        string               // the servers of the client, for docent.client
	Look           func() Look          // how the client is; it must not wait
	Names          Names                // of the errors that every part may meet
	Closed         error                // with which everything ends on Close
	Patience       func() time.Duration // how long Close waits for the providers; nil: until they have returned
}

// Look is how a client is at a moment.
type Look struct {
	State        string    // of its connection
	TrustedUntil time.Time // zero while there is no session
}

// Client is the telemetry of one framework.Client. All methods are for many goroutines, and do nothing on nil.
type Client struct {
	tracers
	Log         *slog.Logger // gets the terms of leaders; nil: nobody
	cfg         Config
	name        string
	instruments instruments
	observed    metric.Registration
	counts      counts
	options     options

	mu      sync.Mutex // guards the following
	history history
	session session
	holds   map[*Hold]struct{}
	caches  map[*Cache]struct{}
	kept    map[*listed[bool]]struct{}
	views   map[*listed[int]]struct{}
	queue   []func() // to be done by the goroutine that exists while there is something
	closed  bool
	idle    sync.WaitGroup
}

// New begins the telemetry of a client.
func New(cfg Config) *Client {
	c := &Client{
		cfg: cfg, name: clientNames.take(cfg.Servers), holds: make(map[*Hold]struct{}), caches: make(map[*Cache]struct{}),
		kept: make(map[*listed[bool]]struct{}), views: make(map[*listed[int]]struct{}),
	}
	c.use(cfg.TracerProvider)
	if err := c.instrument(meter(cfg.MeterProvider)); err != nil {
		otel.Handle(fmt.Errorf("docent: %w", err)) // what could not be made does nothing
	}
	return c
}

// Close ends what has not ended yet, and waits until all of it has been handed to the providers. One that does not return is
// left behind after Config.Patience, with a goroutine that ends when it does.
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

// leave hands over what is queued, and takes the client from the providers.
func (c *Client) leave() {
	c.idle.Wait()
	if c.observed != nil {
		if err := c.observed.Unregister(); err != nil {
			otel.Handle(fmt.Errorf("docent: %w", err))
		}
	}
	clientNames.give(c.name)
}

// later has f called by a goroutine that may wait. After Close it is called at once.
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

// enqueue is later with the mutex held, and before Close.
func (c *Client) enqueue(f func()) {
	c.queue = append(c.queue, f)
	if len(c.queue) == 1 {
		c.idle.Go(c.drain)
	}
}

// drain ends with the queue. What is being done stays in it, so that there is one goroutine at a time.
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

// tracer returns nil while there is nobody to trace for.
func (c *Client) tracer() trace.Tracer {
	if c == nil {
		return nil
	}
	return c.get()
}

// clientNames are the names that clients of this process have at present.
var clientNames = nameTable{taken: make(map[string]bool)}

type nameTable struct {
	mu    sync.Mutex
	taken map[string]bool
}

// take makes servers a name that no other client has.
func (t *nameTable) take(servers string) string {
	servers, _, _ = strings.Cut(servers, "/") // paths do not label metrics
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
