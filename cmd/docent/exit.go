package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/docent-zk/docent/framework"
)

// The exit codes. docs/command.md has them as a table.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitNoNode       = 3
	exitConflict     = 4
	exitNotConnected = 5
	exitUnhealthy    = 6
	exitRefused      = 7

	// Those of lock, elect and semaphore, where the other codes belong to the command that they run.
	exitLost     = 74  // EX_IOERR
	exitNotHeld  = 75  // EX_TEMPFAIL, unless --conflict-exit-code says otherwise
	exitOwn      = 125 // as timeout(1), env(1) and others
	exitNoRun    = 126
	exitNotFound = 127
	exitSignal   = 128 // and the signal's number

	exitBrokenPipe = exitSignal + 13 // as if SIGPIPE had ended the process
)

// exitError is an error that knows its exit code. Without err there is nothing to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is the error of a command line that makes no sense.
func usagef(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exitCode is the exit code for an error.
func exitCode(err error) int {
	var known *exitError
	var signal interrupted
	switch {
	case err == nil:
		return 0
	case errors.As(err, &known):
		return known.code
	case errors.As(err, &signal):
		return exitSignal + number(signal.Signal)
	case brokenPipe(err):
		return exitBrokenPipe
	}
	for _, c := range []struct {
		code int
		is   []error
	}{
		{exitRefused, []error{framework.ErrNoAuth, framework.ErrAuthFailed}},
		{exitNoNode, []error{framework.ErrNoNode}},
		{exitConflict, []error{framework.ErrNodeExists, framework.ErrBadVersion, framework.ErrNotEmpty}},
		{exitUsage, []error{framework.ErrInvalidPath, framework.ErrInvalidACL}},
		{exitNotConnected, []error{framework.ErrNotConnected, framework.ErrSessionLost, context.DeadlineExceeded}},
	} {
		for _, sentinel := range c.is {
			if errors.Is(err, sentinel) {
				return c.code
			}
		}
	}
	return exitFailed
}

// brokenPipe reports whether err says that nobody reads the output any more.
func brokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe)
}
