package node

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Option configures a Keeper.
type Option func(*spec)

// WithMode sets the mode of the node: framework.Ephemeral, EphemeralSequential, Persistent, PersistentSequential or
// Container.
// Defaults to Ephemeral.
func WithMode(m framework.Mode) Option { return func(s *spec) { s.mode = m } }

// Protected puts a GUID into the node's name, "_c_<GUID>-name" as Curator does, the same one for the life of the
// Keeper. So no other client uses the name, and a sequential node can be found if the reply to its create is lost.
func Protected() Option { return func(s *spec) { s.protected = true } }

// Replace takes the name over from another session in one transaction, instead of waiting until that session's node is
// removed. It is for names that belong to one process at a time, such as the id of an instance: a restarted process
// need not wait for its old session to end. The newest Keeper wins: see the package documentation.
func Replace() Option { return func(s *spec) { s.replace = true } }

// WithTTL keeps a container with a child "touch" that has this time to live, and is written every half of it. The
// servers remove the container some time after the process has stopped. The TTL is in whole milliseconds, at least 100
// ms. Servers need extendedTypesEnabled. The mode is Container.
func WithTTL(ttl time.Duration) Option {
	return func(s *spec) { s.ttl, s.lasting = ttl, true }
}

// WithACL sets the access-control list of the node. It must allow this client to read the node, to write it for
// [Keeper.Set], and to delete children of its parent.
// Defaults to the client's ACL.
func WithACL(acl []framework.ACL) Option {
	own := slices.Clone(acl)
	return func(s *spec) { s.acl = own }
}

// ListedAs sets the name under which framework.Client.Recipes lists the Keeper, and further details.
// Defaults to "node".
func ListedAs(name string, attrs ...slog.Attr) Option {
	return func(s *spec) { s.listed, s.attrs = name, slices.Clone(attrs) }
}

// spec says what is kept. It is immutable.
type spec struct {
	path      string // of the node, without the sequence number
	mode      framework.Mode
	protected bool
	replace   bool
	lasting   bool // has a TTL
	ttl       time.Duration
	acl       []framework.ACL
	listed    string // name for framework.Client.Recipes
	attrs     []slog.Attr
}

// modes are the modes that can be kept.
var modes = []framework.Mode{
	framework.Ephemeral, framework.EphemeralSequential, framework.Persistent, framework.PersistentSequential, framework.Container,
}

// minTTL leaves time for a renewal.
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
	if err := errors.Join(s.validate(), recipekit.Usable(cli)); err != nil {
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
	case s.listed == "":
		return errors.New("the name of ListedAs is empty")
	case !slices.Contains(modes, s.mode):
		return fmt.Errorf("%v cannot be kept; use WithTTL for a node with a time to live", s.mode)
	case s.lasting && s.mode != framework.Container:
		return fmt.Errorf("WithTTL keeps a container; it does not go with %v", s.mode)
	case s.lasting && (s.ttl < minTTL || s.ttl%time.Millisecond != 0):
		return fmt.Errorf("a TTL of %v is not in whole milliseconds from %v", s.ttl, minTTL)
	}
	return nil
}

// ephemeral reports whether the node is removed with the session.
func (s *spec) ephemeral() bool {
	return s.mode == framework.Ephemeral || s.mode == framework.EphemeralSequential
}

// sequential reports whether the servers number the node.
func (s *spec) sequential() bool {
	return s.mode == framework.EphemeralSequential || s.mode == framework.PersistentSequential
}

// createOptions returns the options for creating the node or, with another mode, a node that belongs to it.
func (s *spec) createOptions(opts ...framework.CreateOption) []framework.CreateOption {
	if len(s.acl) > 0 {
		opts = append(opts, framework.WithACL(s.acl))
	}
	return opts
}

// createOp returns the operation that creates the node in a multi.
func (s *spec) createOp(data []byte) framework.Op {
	return framework.CreateOp(s.path, data, s.mode).WithACL(s.acl)
}

// numbers reports whether name is the node's name with a sequence number.
func (s *spec) numbers(name string) bool {
	_, own := framework.Split(s.path)
	number, ok := strings.CutPrefix(name, own)
	if ok {
		_, ok = seqnode.ParseSeq(number)
	}
	return ok
}
