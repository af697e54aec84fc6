package framework

import (
	"context"
	"time"
)

// Session is one ZooKeeper session. Its operations run in this session or return [ErrSessionLost]; they never run in
// another one. They wait while the connection is suspended and are repeated for as long as the session may live.
// A Session is a value to hand around; it needs no closing. Recipes get theirs from [Client.Run].
type Session struct {
	ops
	e     *epoch
	entry *entry // of the recipe that runs in it; nil outside of Client.Run
	start int    // of that recipe, counted from 1
}

// ID is the server's number of the session, as in the ephemeralOwner of the nodes that it owns.
func (s *Session) ID() int64 { return s.e.wire.ID() }

// Epoch counts the client's sessions from 1.
func (s *Session) Epoch() uint64 { return s.e.n }

// Former reports whether id is that of an earlier session of the same client, or of the process before it that had Config.SessionFile.
// Such a session is over, so an ephemeral node with that owner is a leftover: the servers have yet to remove it, and nobody will miss it.
func (s *Session) Former(id int64) bool {
	epoch, known := s.e.core.epochOf(id)
	return known && epoch < s.e.n
}

// Timeout is the session timeout that the server granted.
func (s *Session) Timeout() time.Duration { return s.e.wire.Timeout() }

// TrustedUntil is the time, with a monotonic reading, until which nobody else can have been given what this session
// holds, as far as a client can tell: see the package documentation. Every answer from the server moves it.
func (s *Session) TrustedUntil() time.Time { return s.e.trustedUntil() }

// LastZxid is the newest change of the ensemble that an answer in this session has shown, and 0 before the first answer. What was
// seen in earlier sessions does not count: the servers may have been restored from a backup since.
func (s *Session) LastZxid() int64 { return s.e.wire.LastZxid() }

// Done is closed when the session is lost or the client closed.
func (s *Session) Done() <-chan struct{} {
	s.e.lookLost()
	return s.e.ctx.Done()
}

// Err says why the session is over, [ErrSessionLost] or [ErrClosed], and nil while it is not.
func (s *Session) Err() error {
	s.e.lookLost()
	return causeOf(s.e.ctx)
}

// Context derives a context for work that depends on this session. It ends, with [ErrSuspended], [ErrSessionLost] or
// [ErrClosed] as its cause, when policy says so, and when parent ends. Under [Hold] it lives until the session is lost.
// cancel must be called when the work is over.
//
// Err, Done and context.Cause look at the clocks before they answer, so a process that was stopped learns from its first look that the
// session is lost. Contexts that are derived from it do so too if they come from [WithCancelCause].
func (s *Session) Context(parent context.Context, policy Policy) (ctx context.Context, cancel context.CancelCauseFunc) {
	return s.e.bind(parent, policy, false)
}

// ClaimContext is Context for what is held by virtue of the session: a lock, leadership. Whatever policy says, it also
// ends, with [ErrUntrusted] as its cause, when TrustedUntil passes without an answer. No look at it after that time finds it alive.
func (s *Session) ClaimContext(parent context.Context, policy Policy) (ctx context.Context, cancel context.CancelCauseFunc) {
	return s.e.bind(parent, policy, true)
}
