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
	// ErrDeleted means that another client has deleted the member's node. To the other members, it had left or given
	// up.
	ErrDeleted = errors.New("another client has deleted the member's node")
)

// Double is one member of a double barrier, which a given number of members enter together and leave together. Each
// member needs its own Double, even in one process. It can be entered again after it was left.
type Double struct {
	cli     *framework.Client
	path    string
	members int
	id      string
	err     error // why the arguments are invalid
}

// DoubleOption configures a Double.
type DoubleOption func(*Double)

// WithID sets the member's id. Members with the same id count as one, so a process that is restarted before the servers
// have noticed its end does not count twice. The id must be unique to the member, and valid in a node's name.
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

// NewDouble returns a member of the barrier on path, which is complete with the given number of members. All members
// must give the same number. It does not contact the servers; invalid arguments are reported by Enter.
func NewDouble(cli *framework.Client, path string, members int, opts ...DoubleOption) *Double {
	d := &Double{cli: cli, path: framework.Abs(path), members: members}
	for _, opt := range opts {
		opt(d)
	}
	if d.err == nil {
		d.err = recipekit.Usable(cli)
	}
	if d.id == "" && d.err == nil {
		d.id, d.err = seqnode.ReadGUID(recipekit.Random(cli))
	}
	return d
}

// Policy returns how Enter, an Entered and Leave respond to SUSPENDED and LOST: they continue through SUSPENDED and end
// with LOST.
func (d *Double) Policy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Stop}
}

// Enter joins the barrier and returns when it is complete, as the package documentation defines. It keeps waiting
// through disconnections, within the limits of ctx. If Enter returns an error, its node is removed. With a connection,
// the delete has been sent when Enter returns. If the create is unanswered when ctx ends, Enter waits for its reply, up
// to an eighth of the session timeout.
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

// readyName is the node whose existence opens the barrier.
const readyName = "ready"

// at returns the path of a node in the barrier's directory.
func (d *Double) at(name string) string { return framework.Join(d.path, name) }

// idOf returns the id of the member that a node belongs to. In docent's names it is the text after the GUID. The names
// of Curator's and kazoo's members are GUIDs, and are the id. All other children, such as "ready", do not belong to a
// member.
func idOf(name string) (id string, ok bool) {
	if guid, ok := seqnode.GUIDOf(name); ok {
		return strings.TrimPrefix(name, seqnode.Protected(guid, "")), true
	}
	return name, seqnode.IsGUID(name)
}
