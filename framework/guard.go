package framework

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// What functions of the user's can do to docent, and what docent makes of it.
var (
	// ErrPanicked says that a function which the user has supplied, such as a codec, has panicked. The error's text names the
	// function, what it was called for, and the value of the panic.
	ErrPanicked = errors.New("a function has panicked")
	// ErrBlocked says that a function which the user has supplied has not returned in time. The call goes on in the background.
	ErrBlocked = errors.New("a function has not returned")
	// ErrDegraded says that a recipe goes on with what it had: the last good value of a configuration whose node is gone or
	// cannot be decoded. A recipe that reports it is a notice in Client.Health, which does not make a process unready.
	ErrDegraded = errors.New("the last good value stays in use")
)

// Guard calls f, a function that the user of a recipe has supplied, and returns its error. A panic in f, or in the Error method
// of its error, becomes an error with [ErrPanicked]. It is counted (docent.panics), and logged as a warning, with the stack
// at debug level. function says what f is ("codec"), path what it is called for. Recipes use Guard wherever f runs in a
// goroutine that is not its user's.
func (c *Client) Guard(function, path string, f func() error) error {
	if c.usable() != nil {
		return guarded(function, path, f, func(string, string, any) {})
	}
	return guarded(function, path, f, c.core.panicked)
}

// guarded is Guard. It tells of a panic before it returns.
func guarded(function, path string, f func() error, tell func(function, path string, value any)) (err error) {
	defer func() {
		if value := recover(); value != nil {
			tell(function, path, value)
			err = panicError(function, path, value)
		}
	}()
	if err = f(); err != nil {
		_ = err.Error() // an error that panics does it here
	}
	return err
}

// panicError does not wrap the value, which may be any error: it would be taken for what the recipe itself has met.
func panicError(function, path string, value any) error {
	if path == "" {
		return fmt.Errorf("%w: the %s: %v", ErrPanicked, function, value)
	}
	return fmt.Errorf("%w: the %s for %s: %v", ErrPanicked, function, path, value)
}

// panicked counts and logs a panic. It is called while the stack still shows where it was.
func (c *core) panicked(function, path string, value any) {
	c.telemetry.Panicked(function)
	text := fmt.Sprint(value)
	c.log.Warn("a function has panicked", "function", function, "path", path, "panic", text)
	if c.log.Enabled(context.Background(), slog.LevelDebug) {
		c.log.Debug("a function has panicked", "function", function, "path", path, "stack", string(debug.Stack()))
	}
}

// Logger is Config.Logger, for recipes that have something to say.
func (c *Client) Logger() *slog.Logger {
	if c.usable() != nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.core.log
}
