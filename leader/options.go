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
	host, _ := os.Hostname() // without a host name, the id is still usable
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}

// Option configures an election.
type Option func(*settings)

// Hold keeps leadership through SUSPENDED while the session is trusted to live. grace, counted from SUSPENDED, limits
// that further; 0 means no further limit. Without Hold, leadership ends as soon as the connection breaks.
func Hold(grace time.Duration) Option {
	return func(s *settings) { s.holding.OnSuspended, s.holding.Grace = framework.Hold, grace }
}

// WithID sets the participant's id, which is stored in its node.
// Defaults to host name and process id.
func WithID(id string) Option {
	return func(s *settings) { s.id = id }
}

// WithACL sets the access-control list of the participant's node to a copy of acl. It must allow all participants to
// read the node, because each one watches the nodes ahead.
// Defaults to the client's ACL.
func WithACL(acl []framework.ACL) Option {
	own := slices.Clone(acl)
	return func(s *settings) { s.acl = own }
}

// Selector uses the node names of Curator's LeaderSelector instead of LeaderLatch's. The package documentation says
// which clients exclude each other.
func Selector() Option {
	return func(s *settings) { s.naming = selector }
}

// Shared joins the elections of Curator's LeaderLatch and LeaderSelector and of kazoo's Election at once. Each
// participant has three nodes, which are created, checked and deleted together. The package documentation says which
// clients exclude each other.
//
// The election's directory is created as a persistent node if it is missing, because kazoo fails if the servers remove
// it. Curator's getParticipants lists each participant three times.
func Shared() Option {
	return func(s *settings) { s.naming = shared }
}
