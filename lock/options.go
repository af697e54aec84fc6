package lock

import (
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// settings are what options change.
type settings struct {
	holding   framework.Policy
	waiting   framework.Policy
	waitLimit time.Duration
	data      []byte
	acl       []framework.ACL
	onRevoke  func(Holding)
}

func defaults() settings {
	return settings{
		holding: framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop},
		waiting: contend.Waiting,
	}
}

// Option changes how a lock behaves. Every kind of lock in this package takes every Option.
type Option func(*settings)

// Hold keeps a Held through SUSPENDED, for as long as the session can be trusted to live. Without it a Held ends as soon as
// the connection breaks. grace, if it is not 0, bounds that further, counted from SUSPENDED.
func Hold(grace time.Duration) Option {
	return func(s *settings) { s.holding.OnSuspended, s.holding.Grace = framework.Hold, grace }
}

// StopOnLost makes Lock return framework.ErrSessionLost when the session is lost while it waits. Without it, it queues
// again in the next session.
func StopOnLost() Option {
	return func(s *settings) { s.waiting.OnLost = framework.Stop }
}

// WaitLimit makes Lock return ErrWaitLimit when it has not succeeded after d. A deadline of ctx does the same for one call.
func WaitLimit(d time.Duration) Option {
	return func(s *settings) { s.waitLimit = d }
}

// WithData stores data in the nodes, for those who look at the queue. Defaults to none.
func WithData(data []byte) Option {
	return func(s *settings) { s.data = data }
}

// WithACL sets the access-control list of the nodes. All contenders must be allowed to read them: that is how they wait for
// each other. Defaults to the client's.
func WithACL(acl []framework.ACL) Option {
	return func(s *settings) { s.acl = acl }
}
