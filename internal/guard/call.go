package guard

import (
	"errors"
	"sync"
	"time"
)

// Patience is how long a function may take before its caller goes on without the result.
const Patience = 10 * time.Second

// Client is the part of framework.Client that this package uses.
type Client interface {
	// Guard calls f and returns a panic in it as an error.
	Guard(function, path string, f func() error) error
}

// errExited is the result of a function that has ended its goroutine.
var errExited = errors.New("the function has called runtime.Goexit")

// Call is one call of a function.
type Call[V any] struct {
	done  chan struct{} // closed when the function has returned
	value V             // set before done is closed
	err   error         // set before done is closed

	mu       sync.Mutex // guards the following
	returned bool
	late     func()
}

// Begin calls f in a goroutine of its own. function and path say what it is and which node it is called for.
func Begin[V any](cli Client, function, path string, f func() (V, error)) *Call[V] {
	c := &Call[V]{done: make(chan struct{}), err: errExited}
	go func() {
		defer c.end()
		c.err = cli.Guard(function, path, func() (err error) {
			c.value, err = f()
			return err
		})
	}()
	return c
}

// end says that the function has returned.
func (c *Call[V]) end() {
	c.mu.Lock()
	c.returned = true
	late := c.late
	c.mu.Unlock()
	close(c.done)
	if late != nil {
		late()
	}
}

// Wait reports whether the function returns before quit is closed. If it does not, late is called when it has returned, in the
// function's goroutine.
func (c *Call[V]) Wait(quit <-chan struct{}, late func()) bool {
	select {
	case <-c.done:
		return true
	default:
	}
	select {
	case <-c.done:
		return true
	case <-quit:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.returned {
		c.late = late
	}
	return c.returned
}

// Result is what the function has returned. It is for after Wait has returned true, or late was called.
func (c *Call[V]) Result() (V, error) { return c.value, c.err }
