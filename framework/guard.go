package framework

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Errors of functions that the user supplies.
var (
	// ErrPanicked means that a function supplied by the user, such as a codec, has panicked. The error's text names the
	// function, its argument, and the value of the panic.
	ErrPanicked = errors.New("a function has panicked")
	// ErrBlocked means that a function supplied by the user has not returned in time. The call continues in the
	// background.
	ErrBlocked = errors.New("a function has not returned")
	// ErrDegraded means that a recipe continues with its last good value, because the node of a configuration was
	// deleted or cannot be decoded. Client.Health reports it as a notice, which does not make the process unready.
	ErrDegraded = errors.New("the last good value stays in use")
)

// Guard calls f, a function that the user of a recipe supplies, and returns its error. A panic in f, or in the Error
// method of its error, is returned as [ErrPanicked]. It is counted (docent.panics) and logged as a warning, with the
// stack at debug level. function names the kind of function, such as "codec", and path what it was called for. Recipes
// must use Guard if f runs in a goroutine that is not its user's.
func (c *Client) Guard(function, path string, f func() error) error {
	if c.usable() != nil {
		return guarded(function, path, f, func(string, string, any) {})
	}
	return guarded(function, path, f, c.core.panicked)
}

// guarded implements Guard. It calls tell for a panic before it returns.
func guarded(function, path string, f func() error, tell func(function, path string, value any)) (err error) {
	defer func() {
		if value := recover(); value != nil {
			tell(function, path, value)
			err = panicError(function, path, value)
		}
	}()
	if err = f(); err != nil {
		_ = err.Error() // an error whose Error method panics does so here
	}
	return err
}

// panicError does not wrap the value. It may be any error, and would be mistaken for an error of the recipe.
func panicError(function, path string, value any) error {
	if path == "" {
		return fmt.Errorf("%w: the %s: %v", ErrPanicked, function, value)
	}
	return fmt.Errorf("%w: the %s for %s: %v", ErrPanicked, function, path, value)
}

// panicked counts and logs a panic. It is called while the stack still shows the place.
func (c *core) panicked(function, path string, value any) {
	c.telemetry.Panicked(function)
	text := fmt.Sprint(value)
	c.log.Warn("a function has panicked", "function", function, "path", path, "panic", text)
	if c.log.Enabled(context.Background(), slog.LevelDebug) {
		c.log.Debug("a function has panicked", "function", function, "path", path, "stack", string(debug.Stack()))
	}
}

// Logger returns Config.Logger, for recipes.
func (c *Client) Logger() *slog.Logger {
	if c.usable() != nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.core.log
}
