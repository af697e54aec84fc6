package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"
)

// system is what the command has from its process and its machine. Tests bring their own.
type system struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	asks           bool // stdin is a terminal: somebody can answer
	screen         bool // stdout is a terminal: output has to be safe for it
	getenv         func(string) string
	signals        <-chan os.Signal // those in forwarded
	dial           func(ctx context.Context, network, address string) (net.Conn, error)
	lookupHost     func(ctx context.Context, host string) ([]string, error)
	now            func() time.Time
	patience       time.Duration // how long one server has for one answer, besides --timeout
	label          string        // what the nodes of this process say about it: host name and process id
	random         io.Reader     // nil for crypto/rand
}

func newSystem(signals <-chan os.Signal) *system {
	var dialer net.Dialer
	return &system{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		asks: isTerminal(os.Stdin), screen: isTerminal(os.Stdout),
		getenv: os.Getenv, signals: signals,
		dial: dialer.DialContext, lookupHost: net.DefaultResolver.LookupHost,
		now: time.Now, patience: 3 * time.Second, label: defaultLabel(),
	}
}

func defaultLabel() string {
	host, _ := os.Hostname() // a label without a host is still a label
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// interrupted is the cause of a context that a signal has ended.
type interrupted struct{ os.Signal }

func (i interrupted) Error() string { return "interrupted by " + i.String() }

// awaited calls f, and returns early when ctx ends. f goes on then, until the process ends: it reads what somebody types.
func awaited[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// interruptible derives a context that the first signal ends, with an interrupted as its cause. A second signal ends the
// process, in case the first one is not enough. stop gives the signals back.
func (s *system) interruptible(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		select {
		case sig := <-s.signals:
			cancel(interrupted{sig})
			signal.Reset(sig)
		case <-done:
		}
	}()
	return ctx, func() {
		close(done)
		<-listening
		cancel(nil)
	}
}
