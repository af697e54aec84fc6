package lock

import (
	"bytes"
	"fmt"
	"slices"
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
	shared    bool
	handover  *int
	progress  func(ahead int)
	faults    []error // of options with invalid values
}

// refuse records that an option has an invalid value.
func (s *settings) refuse(fault string) {
	s.faults = append(s.faults, fmt.Errorf("%w: %s", ErrOption, fault))
}

func defaults() settings {
	return settings{
		holding: framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop},
		waiting: contend.Waiting,
	}
}

// Option configures a lock. [Shared] and [LocalHandover] say which kinds of locks they apply to; all other options
// apply to every kind. Lock returns [ErrOption] for an option that does not apply or has an invalid value.
type Option func(*settings)

// Hold keeps a Held through SUSPENDED while the session is trusted to live. grace, counted from SUSPENDED, limits that
// further; 0 means no further limit. Without Hold, a Held ends as soon as the connection breaks.
func Hold(grace time.Duration) Option {
	return func(s *settings) { s.holding.OnSuspended, s.holding.Grace = framework.Hold, grace }
}

// StopOnLost makes Lock return framework.ErrSessionLost if the session is lost while it waits. Without it, Lock queues
// again in the next session.
func StopOnLost() Option {
	return func(s *settings) { s.waiting.OnLost = framework.Stop }
}

// WaitLimit makes Lock return [ErrWaitLimit] if it has not acquired the lock after d. 0 means no limit; a negative d is
// invalid. A deadline of ctx has the same effect for one call.
func WaitLimit(d time.Duration) Option {
	return func(s *settings) { s.waitLimit = d }
}

// Shared makes a lock exclude the locks of Apache Curator, kazoo and go-zookeeper at once. These look for different
// names, so each place in the queue consists of two nodes. Without Shared, kazoo does not see the lock.
//
// It applies to [Mutex], [RWMutex] and [Multi]. It does not apply to [Semaphore], because Curator's and kazoo's layouts
// of a semaphore cannot share a path. The package documentation states the limits and the cost.
func Shared() Option {
	return func(s *settings) { s.shared = true }
}

// Progress calls f while Lock waits, each time the known number of contenders ahead changes: first when Lock has
// queued, then as the queue ahead gets shorter. Numbers can be skipped, because a waiter watches only the nearest
// contenders. If several goroutines of one client wait, those behind the first learn of changes when the first one
// does. f is not called with 0: Lock returns then. For a [Semaphore], f counts the contenders ahead in the queue for
// permits, without the holders. It is not called for the first contender in that queue, which waits for permits only.
//
// f runs in the goroutine of Lock, which continues when f has returned.
func Progress(f func(ahead int)) Option {
	return func(s *settings) {
		if s.progress = f; f == nil {
			s.refuse("the function of Progress is nil")
		}
	}
}

// WithData stores a copy of data in the nodes, where other clients can read it.
// Defaults to no data.
func WithData(data []byte) Option {
	own := bytes.Clone(data)
	return func(s *settings) { s.data = own }
}

// WithACL sets the access-control list of the nodes to a copy of acl. It must allow all contenders to read the nodes,
// because each contender watches the nodes ahead.
// Defaults to the client's ACL.
func WithACL(acl []framework.ACL) Option {
	own := slices.Clone(acl)
	return func(s *settings) { s.acl = own }
}
