package node

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Option changes what a Keeper keeps, and how.
type Option func(*spec)

// WithMode sets the kind of the node: framework.Ephemeral, EphemeralSequential, Persistent, PersistentSequential or
// Container. Defaults to Ephemeral.
func WithMode(m framework.Mode) Option { return func(s *spec) { s.mode = m } }

// Protected puts a GUID into the node's name, "_c_<GUID>-name" as Curator does. It is drawn once for a Keeper. Nobody else
// uses the name then, and a sequential node is found again when the answer to its create was lost.
func Protected() Option { return func(s *spec) { s.protected = true } }

// Replace takes the name over from another session that has it, in one transaction, instead of waiting until its node
// goes. It is for names that belong to one process at a time, like the id of an instance: a process that was restarted
// does not wait for the end of its old session. The newest Keeper wins: see the package documentation.
func Replace() Option { return func(s *spec) { s.replace = true } }

// WithTTL keeps a container, with a child "touch" of that time to live which is written every half of it. The servers
// remove the container some time after the process has stopped doing so. The TTL is at least 100 ms, in whole milliseconds.
// Servers need extendedTypesEnabled. The mode is Container.
func WithTTL(ttl time.Duration) Option {
	return func(s *spec) { s.ttl, s.lasting = ttl, true }
}

// WithACL sets the access-control list of the node. It must allow this client to read the node, to write it for
// [Keeper.Set], and to delete children of its parent. Defaults to the client's.
func WithACL(acl []framework.ACL) Option {
	own := slices.Clone(acl)
	return func(s *spec) { s.acl = own }
}

// ListedAs says under which name framework.Client.Recipes lists the Keeper, and what else there is to know of it. Defaults to
// "node".
func ListedAs(name string, attrs ...slog.Attr) Option {
	return func(s *spec) { s.listed, s.attrs = name, slices.Clone(attrs) }
}

// spec says what is kept. It does not change.
type spec struct {
	path      string // of the node, or what the servers append the sequence number to
	mode      framework.Mode
	protected bool
	replace   bool
	lasting   bool // with a TTL
	ttl       time.Duration
	acl       []framework.ACL
	listed    string // name for framework.Client.Recipes
	attrs     []slog.Attr
}

// modes are those that can be kept.
var modes = []framework.Mode{
	framework.Ephemeral, framework.EphemeralSequential, framework.Persistent, framework.PersistentSequential, framework.Container,
}

// minTTL leaves time for a renewal to reach the servers.
const minTTL = 100 * time.Millisecond

func newSpec(cli *framework.Client, path string, opts []Option) (spec, error) {
	s := spec{path: path, mode: -1, listed: "node"}
	for _, opt := range opts {
		opt(&s)
	}
	if s.mode < 0 {
		s.mode = framework.Ephemeral
		if s.lasting {
			s.mode = framework.Container
		}
	}
	if err := s.validate(); err != nil {
		return spec{}, fmt.Errorf("node %s: %w", path, err)
	}
	s.path = framework.Abs(path)
	if s.protected {
		guid, err := seqnode.ReadGUID(recipekit.Random(cli))
		if err != nil {
			return spec{}, fmt.Errorf("node %s: %w", path, err)
		}
		dir, name := framework.Split(s.path)
		s.path = framework.Join(dir, seqnode.Protected(guid, name))
	}
	return s, nil
}

func (s *spec) validate() error {
	if err := framework.ValidatePath(s.path); err != nil {
		return err
	}
	switch {
	case s.path == "/":
		return &framework.PathError{Path: s.path, Reason: "the root cannot be created or removed"}
	case !slices.Contains(modes, s.mode):
		return fmt.Errorf("%v cannot be kept; use WithTTL for a node with a time to live", s.mode)
	case s.lasting && s.mode != framework.Container:
		return fmt.Errorf("WithTTL keeps a container; it does not go with %v", s.mode)
	case s.lasting && (s.ttl < minTTL || s.ttl%time.Millisecond != 0):
		return fmt.Errorf("a TTL of %v is not in whole milliseconds from %v", s.ttl, minTTL)
	}
	return nil
}

// ephemeral reports whether the node goes with the session.
func (s *spec) ephemeral() bool {
	return s.mode == framework.Ephemeral || s.mode == framework.EphemeralSequential
}

// sequential reports whether the servers number the node.
func (s *spec) sequential() bool {
	return s.mode == framework.EphemeralSequential || s.mode == framework.PersistentSequential
}

// createOptions are for a create of the node, or with another mode of what belongs to it.
func (s *spec) createOptions(opts ...framework.CreateOption) []framework.CreateOption {
	if len(s.acl) > 0 {
		opts = append(opts, framework.WithACL(s.acl))
	}
	return opts
}

// createOp creates the node in a multi.
func (s *spec) createOp(data []byte) framework.Op {
	return framework.CreateOp(s.path, data, s.mode).WithACL(s.acl)
}

// numbers reports whether name, in the node's directory, is the node's name with a sequence number.
func (s *spec) numbers(name string) bool {
	_, own := framework.Split(s.path)
	number, ok := strings.CutPrefix(name, own)
	if ok {
		_, ok = seqnode.ParseSeq(number)
	}
	return ok
}
