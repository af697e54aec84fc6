package lock

import (
	"bytes"
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
}

func defaults() settings {
	return settings{
		holding: framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop},
		waiting: contend.Waiting,
	}
}

// Option changes how a lock behaves. [Shared] and [LocalHandover] say which kinds of locks they fit; every kind takes every
// other one. What does not fit, or makes no sense, is an error of Lock: [ErrOption].
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

// WaitLimit makes Lock return [ErrWaitLimit] when it has not succeeded after d, which is positive; 0 is no limit. A deadline of
// ctx does the same for one call.
func WaitLimit(d time.Duration) Option {
	return func(s *settings) { s.waitLimit = d }
}

// Shared puts two nodes for each place into the queue, so that a lock excludes, and is excluded by, the locks of Apache Curator,
// kazoo and go-zookeeper at once, which look for different names. Without it kazoo does not see the lock. It fits [Mutex],
// [RWMutex] and [Multi], not [Semaphore], whose layouts in Curator and kazoo cannot share a path. See the package
// documentation for what it cannot do and what it costs.
func Shared() Option {
	return func(s *settings) { s.shared = true }
}

// Progress calls f while Lock waits, whenever it is known that another number of places is ahead: first when Lock has queued, then as the queue in front
// of it gets shorter. A place does not watch those far ahead, so numbers can be skipped. Of several goroutines of one client, the ones behind the
// first learn of the queue when that does. For a [Semaphore] it counts those ahead in the queue for permits. f runs in the goroutine of Lock,
// which goes on when f has returned. nil is no function.
func Progress(f func(ahead int)) Option {
	return func(s *settings) { s.progress = f }
}

// WithData stores a copy of data in the nodes, for those who look at the queue. Defaults to none.
func WithData(data []byte) Option {
	own := bytes.Clone(data)
	return func(s *settings) { s.data = own }
}

// WithACL sets the access-control list of the nodes to a copy of acl. All contenders must be allowed to read them: that is how
// they wait for each other. Defaults to the client's.
func WithACL(acl []framework.ACL) Option {
	own := slices.Clone(acl)
	return func(s *settings) { s.acl = own }
}
