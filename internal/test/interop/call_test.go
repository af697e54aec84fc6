package interop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds what must happen, and is far longer than it takes on a slow machine.
const patience = 3 * time.Minute

// within is a context for what must happen.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// call is something that goes on beside the test, here or in a peer.
type call struct {
	what   string
	limit  time.Time     // when nobody waits for it any longer
	done   chan struct{} // closed when the rest is set
	values []string
	err    error
}

func newCall(what string) *call {
	return &call{what: what, limit: time.Now().Add(patience), done: make(chan struct{})}
}

// beside runs f beside the test.
func beside(what string, f func() error) *call {
	c := newCall(what)
	go func() { c.finish(nil, f()) }()
	return c
}

func (c *call) finish(values []string, err error) {
	c.values, c.err = values, err
	close(c.done)
}

// result waits for the end.
func (c *call) result() ([]string, error) {
	limit := time.NewTimer(time.Until(c.limit))
	defer limit.Stop()
	select {
	case <-c.done:
	case <-limit.C:
		if !c.ended() {
			return nil, fmt.Errorf("%s: not done after %v", c.what, patience)
		}
	}
	if c.err != nil {
		return nil, fmt.Errorf("%s: %w", c.what, c.err)
	}
	return c.values, nil
}

// wait waits for the end, which must be a good one.
func (c *call) wait(t testing.TB) []string {
	t.Helper()
	values, err := c.result()
	require.NoError(t, err)
	return values
}

// goesOn fails the test if the call has ended.
func (c *call) goesOn(t testing.TB) {
	t.Helper()
	if c.ended() {
		require.FailNow(t, "it has ended too early", "%s: %v %v", c.what, c.values, c.err)
	}
}

func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
