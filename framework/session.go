package framework

import (
	"context"
	"time"
)

// Session is one ZooKeeper session. Its operations run in this session or return [ErrSessionLost]; they never run in
// another session. They wait while the connection is suspended, and are retried as long as the session may live. A
// Session may be copied and need not be closed. Recipes get theirs from [Client.Run].
type Session struct {
	ops
	e     *epoch
	entry *entry // of the recipe that runs in it; nil outside of Client.Run
	start int    // of that recipe, counted from 1
}

// ID returns the session's id, which the nodes that it owns have as ephemeralOwner.
func (s *Session) ID() int64 { return s.e.wire.ID() }

// Epoch returns the number of this session among the client's, counted from 1.
func (s *Session) Epoch() uint64 { return s.e.n }

// Former reports whether id is the id of an earlier session of the same client, or of the process that used
// Config.SessionFile before it. Such a session has ended, so an ephemeral node with that owner is a leftover that the
// servers have yet to remove.
func (s *Session) Former(id int64) bool {
	epoch, known := s.e.core.epochOf(id)
	return known && epoch < s.e.n
}

// Timeout returns the session timeout that the server granted.
func (s *Session) Timeout() time.Duration { return s.e.wire.Timeout() }

// TrustedUntil returns the time, with a monotonic reading, until which no other client can have acquired what this
// session holds, as far as a client can know: see the package documentation. Every reply moves it forward.
func (s *Session) TrustedUntil() time.Time { return s.e.trustedUntil() }

// LastZxid returns the newest transaction id of a reply in this session; 0 before the first reply. Earlier sessions do
// not count: the servers may have been restored from a backup since.
func (s *Session) LastZxid() int64 { return s.e.wire.LastZxid() }

// Done returns a channel that is closed when the session has been lost or the client closed.
func (s *Session) Done() <-chan struct{} {
	s.e.lookLost()
	return s.e.ctx.Done()
}

// Err returns why the session has ended, [ErrSessionLost] or [ErrClosed], or nil while it has not.
func (s *Session) Err() error {
	s.e.lookLost()
	return causeOf(s.e.ctx)
}

// Context derives a context for work that depends on this session. It ends when parent ends, or when policy says so,
// with [ErrSuspended], [ErrSessionLost] or [ErrClosed] as its cause. With [Hold], it lives until the session is lost.
// cancel must be called when the work is done.
//
// Err, Done and context.Cause check the clocks before they answer, so a process that was stopped learns immediately
// that the session is lost. So do contexts that are derived from it with [WithCancelCause].
func (s *Session) Context(parent context.Context, policy Policy) (ctx context.Context, cancel context.CancelCauseFunc) {
	return s.e.bind(parent, policy, false)
}

// ClaimContext is Context for a claim: a lock, or leadership. Whatever policy says, it also ends when TrustedUntil
// passes without a reply, with [ErrUntrusted] as its cause. It is never seen alive after that time.
func (s *Session) ClaimContext(parent context.Context, policy Policy) (ctx context.Context, cancel context.CancelCauseFunc) {
	return s.e.bind(parent, policy, true)
}
