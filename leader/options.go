package leader

import (
	"slices"

	"fmt"
	"os"
	"time"

	"github.com/docent-zk/docent/framework"
)

// settings are what options change.
type settings struct {
	holding framework.Policy
	naming  naming
	id      string
	acl     []framework.ACL
}

func defaults() settings {
	return settings{
		holding: framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Rebuild},
		naming:  latch,
		id:      defaultID(),
	}
}

func defaultID() string {
	host, _ := os.Hostname() // an id without a host is still an id
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// Option changes how an election is stood in.
type Option func(*settings)

// Hold keeps leadership through SUSPENDED, for as long as the session can be trusted to live. Without it leadership ends as
// soon as the connection breaks. grace, if it is not 0, bounds that further, counted from SUSPENDED.
func Hold(grace time.Duration) Option {
	return func(s *settings) { s.holding.OnSuspended, s.holding.Grace = framework.Hold, grace }
}

// WithID sets what the participant's node says who it is. Defaults to host name and process id.
func WithID(id string) Option {
	return func(s *settings) { s.id = id }
}

// WithACL sets the access-control list of the participant's node to a copy of acl. All participants must be allowed to read it: that is how
// they wait for each other. Defaults to the client's.
func WithACL(acl []framework.ACL) Option {
	own := slices.Clone(acl)
	return func(s *settings) { s.acl = own }
}

// Selector names nodes as Curator's LeaderSelector does, in place of LeaderLatch. See the package documentation for who
// excludes whom.
func Selector() Option {
	return func(s *settings) { s.naming = selector }
}

// Shared gives each participant three nodes, named as by LeaderLatch, LeaderSelector and kazoo's Election, which are
// created, checked and deleted as one. It stands in one election with all of them. See the package documentation for who
// excludes whom.
//
// The election's directory, when it is missing, is made as a persistent node, because kazoo cannot cope with one that the
// servers remove. Curator's getParticipants lists each participant three times.
func Shared() Option {
	return func(s *settings) { s.naming = shared }
}
