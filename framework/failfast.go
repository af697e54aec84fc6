package framework

import (
	"context"
	"errors"
)

// errFailFast is why an operation that fails fast has not waited.
var errFailFast = errors.New("the call does not wait for a connection (FailFast)")

// FailFast returns a client whose operations return [ErrNotConnected] at once while there is no connection, where those of c wait
// for one. It shares everything else with c, so that it can be used for a single call:
//
//	node, err := cli.FailFast().Get(ctx, "/config")
//
// An operation that is under way when the connection breaks ends as well. If it is a write that may have been applied, the error
// is [ErrOutcomeUnknown] too. A server that does not answer does not count as a broken connection before the client has given
// it up, which takes up to two thirds of the session timeout: use ctx to bound the wait for an answer. A planned move to another server
// (see "Servers" in the package documentation) does not count as one either: operations wait for its end, a few round trips.
//
// Only operations are affected. [Client.WaitConnected], [Client.Session] and [Client.Run] wait, and so do the operations of the
// sessions that they give out. A recipe that was made with the client therefore acquires, holds and follows as with any other.
// What it asks outside of its session, such as leader.Election.Leader or the operations of a counter, fails fast.
func (c *Client) FailFast() *Client {
	fast := *c
	fast.failFast = true
	return &fast
}

// FailFast returns the same session with operations that return [ErrNotConnected] at once while the connection is suspended. See
// [Client.FailFast].
func (s *Session) FailFast() *Session {
	fast := *s
	fast.failFast = true
	return &fast
}

// connection returns the epoch to send in. It waits for a connection, unless the operations fail fast.
func (o *ops) connection(ctx context.Context, n need) (*epoch, error) {
	return o.wait(ctx, n, o.core.quit, o.failFast)
}

// refuses reports whether the operations fail fast and have no connection.
func (o *ops) refuses() bool {
	g := o.core.gate.Load()
	return o.failFast && !g.servesReads(o.fixed) && !g.returns(o.fixed)
}

// returns reports whether there is a connection that only moves to another server.
func (g *gate) returns(fixed *epoch) bool {
	return g.State.Connected() && (fixed == nil || fixed == g.epoch) && g.pausedIn(g.epoch)
}
