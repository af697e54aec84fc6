package barrier

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Errors of a [Double], besides those of package framework.
var (
	// ErrLeft is the cause of an Entered's context after Leave.
	ErrLeft = errors.New("left the barrier")
	// ErrDeleted says that somebody else has deleted the member's node: to the others it had left, or had given up.
	ErrDeleted = errors.New("the member's node was deleted by somebody else")
)

// Double is one member of a double barrier: a number of members enter together, and leave together. Goroutines that are
// members of their own need a Double each. It can be entered again after it was left.
type Double struct {
	cli     *framework.Client
	path    string
	members int
	id      string
	err     error // what is wrong with id
}

// DoubleOption changes how a Double behaves.
type DoubleOption func(*Double)

// WithID names the member. Members of the same id count as one, so that a process which is started again before the
// servers have noticed its end does not count twice. It must differ from member to member and be fit for a node's name.
// Defaults to a random UUID.
func WithID(id string) DoubleOption {
	return func(d *Double) { d.id, d.err = id, checkID(id) }
}

func checkID(id string) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("id %q: it must be one element of a path", id)
	}
	return framework.ValidatePath("/" + seqnode.Protected("", id))
}

// NewDouble returns a member of the barrier on path that is complete with the given number of members; all must say the
// same. It asks nothing of the servers; what is wrong with the arguments is an error of Enter.
func NewDouble(cli *framework.Client, path string, members int, opts ...DoubleOption) *Double {
	d := &Double{cli: cli, path: framework.Abs(path), members: members}
	for _, opt := range opts {
		opt(d)
	}
	if d.id == "" && d.err == nil {
		d.id, d.err = seqnode.ReadGUID(recipekit.Random(cli))
	}
	return d
}

// Policy is how Enter, an Entered and Leave answer SUSPENDED and LOST: they outlast the first and end with the second.
func (d *Double) Policy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}
}

// Enter joins the barrier and returns when it is complete: see the package documentation for what that means. It waits
// through disconnections, as long as ctx allows. On every error its node is removed. While there is a connection the delete has
// been sent when Enter returns; a node whose create is unanswered when ctx ends is waited for, an eighth of the session timeout
// at most.
//
// Errors: the cause of ctx, framework.ErrClosed, framework.ErrSessionLost, [ErrDeleted], and what the servers refuse
// (framework.ErrNoAuth, ...).
func (d *Double) Enter(ctx context.Context) (*Entered, error) {
	if err := d.check(); err != nil {
		return nil, fmt.Errorf("double barrier %s: %w", d.path, err)
	}
	var in *Entered
	err := d.run(ctx, func(ctx context.Context, s *framework.Session) (err error) {
		in, err = d.enter(ctx, s)
		return err
	})
	return in, err
}

func (d *Double) check() error {
	if d.members < 1 {
		return fmt.Errorf("a barrier of %d members; it takes one at least", d.members)
	}
	return errors.Join(framework.ValidatePath(d.path), d.err)
}

func (d *Double) run(ctx context.Context, work func(context.Context, *framework.Session) error) error {
	return d.cli.Run(ctx, framework.Recipe{Name: "double barrier", Path: d.path, Policy: d.Policy(), Run: work})
}

// readyName is the node that says that the barrier is open.
const readyName = "ready"

// at is the path of a node in the barrier's directory.
func (d *Double) at(name string) string { return framework.Join(d.path, name) }

// idOf is the id of the member that a node belongs to: the text that follows the GUID in docent's names, the whole name in
// those of Curator's and kazoo's members, which are GUIDs. All other children, such as "ready", belong to nobody.
func idOf(name string) (id string, ok bool) {
	if guid, ok := seqnode.GUIDOf(name); ok {
		return strings.TrimPrefix(name, seqnode.Protected(guid, "")), true
	}
	return name, seqnode.IsGUID(name)
}
