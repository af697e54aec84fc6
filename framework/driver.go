package framework

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/wire"
)

// driverLog hands the driver's remarks on at debug level and keeps the first error among them since there was a connection:
// it is the only place where the driver says why a link broke, and later errors follow from the first. What a user needs to
// know, the supervisor says itself.
type driverLog struct {
	log   *slog.Logger
	first atomic.Pointer[error]
}

// Printf implements zk.Logger.
func (d *driverLog) Printf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok && !isFlush(err) {
			d.first.CompareAndSwap(nil, &err)
		}
	}
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("driver: " + fmt.Sprintf(format, args...))
	}
}

// isFlush reports whether err is what the driver gives to the requests of any link that has broken, which does not say why. Its
// setting of watches comes with it, perhaps when there is another link.
func isFlush(err error) bool {
	return errors.Is(err, zk.ErrConnectionClosed) || errors.Is(err, zk.ErrClosing) || errors.Is(err, zk.ErrNoServer)
}

// clear forgets what went wrong before there was a connection.
func (d *driverLog) clear() { d.first.Store(nil) }

// broken describes the end of the link to server.
func (d *driverLog) broken(server string) error {
	if why := d.first.Swap(nil); why != nil {
		return fmt.Errorf("%w: %s: %w", errLink, server, *why)
	}
	return fmt.Errorf("%w: %s", errLink, server)
}

// created holds the Stat of nodes that were just created, from the moment the reply passes the wire until the call that
// created them picks it up. The driver's own create returns only the path.
type created struct {
	mu sync.Mutex
	m  map[string]Stat
}

func (c *created) put(path string, s wire.Stat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[string]Stat)
	}
	c.m[path] = Stat(s)
}

func (c *created) take(path string) (Stat, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.m[path]
	delete(c.m, path)
	return s, ok
}

// clear forgets what nobody will pick up: calls whose link broke between the reply and its delivery.
func (c *created) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.m)
}

// sentHooks tell when requests have been written, which is how a second request is put right behind one on the session's
// ordered connection, and how a call knows that it may return.
type sentHooks struct {
	n  atomic.Int32 // of waiting hooks
	mu sync.Mutex
	m  map[string][]sentHook // by path
}

// sentHook waits for a request with its opcode, opAny for any.
type sentHook struct {
	op   int32
	sent chan struct{}
}

// await returns a channel that is closed when the next request with that opcode and path, that of the first operation for a
// multi, has been written, and a function that takes the hook back. A hook fires once: it leaves the table with the first
// request, whatever else is sent for the same path later.
func (h *sentHooks) await(op int32, path string) (sent <-chan struct{}, remove func()) {
	hook := sentHook{op, make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = make(map[string][]sentHook)
	}
	h.m[path] = append(h.m[path], hook)
	h.n.Add(1)
	return hook.sent, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(path, func(other sentHook) bool { return other == hook })
	}
}

// drop removes the first hook for a path of which is is true, and returns it, nil if there is none. The mutex is held.
func (h *sentHooks) drop(path string, is func(sentHook) bool) *sentHook {
	i := slices.IndexFunc(h.m[path], is)
	if i < 0 {
		return nil
	}
	dropped := h.m[path][i]
	if h.m[path] = slices.Delete(h.m[path], i, i+1); len(h.m[path]) == 0 {
		delete(h.m, path)
	}
	h.n.Add(-1)
	return &dropped
}

// fire runs in the driver's sending goroutine. Equal requests are written in the order in which they were handed over.
func (h *sentHooks) fire(op int32, path []byte) {
	if h.n.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	fired := h.drop(string(path), func(hook sentHook) bool { return hook.op == op || hook.op == opAny })
	if fired != nil {
		close(fired.sent)
	}
}
