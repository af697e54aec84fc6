package framework

import (
	"context"
	"errors"
)

// errFailFast is why an operation did not wait for a connection.
var errFailFast = errors.New("the call does not wait for a connection (FailFast)")

// FailFast returns a client whose operations return [ErrNotConnected] at once while there is no connection, instead of
// waiting for one. It shares everything else with c, so it can be used for a single call:
//
//	node, err := cli.FailFast().Get(ctx, "/config")
//
// An operation that is pending when the connection breaks ends as well. If it is a write that may have been applied,
// the error is [ErrOutcomeUnknown] too. A server that does not reply only counts as disconnected when the client has
// dropped the connection, after up to two thirds of the session timeout: use ctx to bound that. During a planned move
// to another server (see "Servers" in the package documentation), operations wait for its end, a few round trips.
//
// FailFast affects operations only. [Client.WaitConnected], [Client.Session] and [Client.Run] wait, as do the
// operations of their sessions. So recipes that are created with the client work as with any other. Their requests
// outside of a session, such as leader.Election.Leader or the operations of a counter, fail fast.
func (c *Client) FailFast() *Client {
	fast := *c
	fast.failFast = true
	return &fast
}

// FailFast returns the same session, with operations that return [ErrNotConnected] at once while the connection is
// suspended. See [Client.FailFast].
func (s *Session) FailFast() *Session {
	fast := *s
	fast.failFast = true
	return &fast
}

// connection returns the epoch to send in. It waits for a connection unless the operations fail fast.
func (o *ops) connection(ctx context.Context, n need) (*epoch, error) {
	return o.wait(ctx, n, o.core.quit, o.failFast)
}

// refuses reports whether the operations fail fast and there is no connection.
func (o *ops) refuses() bool {
	g := o.core.gate.Load()
	return o.failFast && !g.servesReads(o.fixed) && !g.returns(o.fixed)
}

// returns reports whether the missing connection is only moving to another server.
func (g *gate) returns(fixed *epoch) bool {
	return g.State.Connected() && (fixed == nil || fixed == g.epoch) && g.pausedIn(g.epoch)
}
