package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/internal/telemetry"
)

// Queue is a directory in which nodes compete. The dialect has to contain the kind of each name.
type Queue struct {
	Dir      string          // its absolute path; made, as a container, when it is missing
	Name     string          // what a node's name ends with, before the number: "lock-"
	Twins    []string        // the same of further nodes, which stand for the same place; see the package documentation
	Dialect  seqnode.Dialect // which names compete
	Yield    seqnode.Dialect // which of them a place waits for; 0 means all
	Data     []byte          // of a node
	ACL      []framework.ACL // of a node; nil means the client's
	Strict   bool            // nobody comes in ahead of a place that is there; see the package documentation
	Trail    *Trail          // of a queue whose places each have one node; may be nil
	Progress func(ahead int) // called when it is known how many places are ahead of a waiting place, and when that changes; may be nil
	Joined   func()          // called when a place was created, if it is not nil
	heirs    bool            // places become claims, which can have heirs
	Recipe   string          // what a claim is called by framework.Client.Recipes; "" if the recipe that holds it says so itself
}

// Place is one place in a queue, in one session.
type Place struct {
	queue   Queue
	session *framework.Session
	node    framework.Node   // the one that it is known by
	twins   []framework.Node // the others
	left    bool             // by withdraw
	told    int              // what Progress was told last, plus 1; 0 before

	line     *line            // that the place is in; nil if the queue is not Strict
	listedOn int              // the connection on which the create, and the list behind it, were answered; 0 if it is not known
	known    atomic.Int64     // how many places are ahead, by the latest list
	first    chan struct{}    // closed when the place is the first of its line
	turn     chan struct{}    // gets a token when it was the heir of a place whose turn is over
	since    int              // how many lists of the line were asked for when the place joined
	watch    *framework.Watch // of the node, once the turn has come; nil if there is none
}

// ErrDeleted says that another client has deleted the node that stood for a claim or for a place in the queue.
var ErrDeleted = errors.New("its node was deleted by another client")

// enter adds a place to the queue and returns it with the list of the directory. With alone, it is not listed.
func (q Queue) enter(ctx context.Context, s *framework.Session, alone bool) (*Place, []string, error) {
	on := recipekit.Connection(s)
	nodes, names, err := q.create(ctx, s, alone)
	if err != nil && nodes == nil {
		return nil, nil, notCreated(err)
	}
	p := q.place(s, nodes)
	p.listedOn = p.stable(on)
	if q.Joined != nil {
		q.Joined()
	}
	if err == nil {
		err = p.own()
	}
	if err != nil {
		p.withdraw()
		return nil, nil, p.unlisted(err)
	}
	return p, names, nil
}

// create adds the nodes of a place and, unless the node is to be created alone, lists the directory behind them. Nodes come with the error
// if the list is all that is missing.
func (q Queue) create(ctx context.Context, s *framework.Session, alone bool) ([]framework.Node, []string, error) {
	if len(q.Twins) > 0 {
		return recipekit.CreateTwinsInQueue(ctx, s, q.Dir, q.names(), q.Data, q.options()...)
	}
	if alone {
		node, err := q.createAlone(ctx, s)
		if err != nil {
			return nil, nil, err
		}
		return []framework.Node{node}, nil, nil
	}
	var node framework.Node
	var names []string
	var err error
	if q.Trail != nil {
		node, names, err = q.Trail.create(ctx, s, q)
	} else {
		node, names, err = q.createListed(ctx, s)
	}
	if node.Path == "" {
		return nil, nil, err
	}
	return []framework.Node{node}, names, err
}

// createListed adds the node of a place, and lists the directory behind it.
func (q Queue) createListed(ctx context.Context, s *framework.Session) (framework.Node, []string, error) {
	return recipekit.CreateInQueue(ctx, s, q.Dir, q.Name, q.Data, q.options()...)
}

// createAlone adds the node of a place.
func (q Queue) createAlone(ctx context.Context, s *framework.Session) (framework.Node, error) {
	opts := append(q.options(), framework.EphemeralSequential, framework.Parents, framework.Protected)
	return s.Create(ctx, framework.Join(q.Dir, q.Name), q.Data, opts...)
}

// names are what the names of a place's nodes end with, before their numbers.
func (q Queue) names() []string { return append([]string{q.Name}, q.Twins...) }

// place is what stands for nodes of the session.
func (q Queue) place(s *framework.Session, nodes []framework.Node) *Place {
	return &Place{queue: q, session: s, node: nodes[0], twins: nodes[1:]}
}

// paths are the place's nodes.
func (p *Place) paths() []string {
	paths := []string{p.node.Path}
	for _, twin := range p.twins {
		paths = append(paths, twin.Path)
	}
	return paths
}

// options are how the nodes of the queue are created.
func (q Queue) options() []framework.CreateOption {
	if q.ACL == nil {
		return nil
	}
	return []framework.CreateOption{framework.WithACL(q.ACL)}
}

// unlisted reads the error of a list: when the whole directory is gone, so is the own node.
func (p *Place) unlisted(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return p.deleted()
	}
	return err
}

// notCreated reads the error of a create. It matches [ErrDeleted] if the node, or the directory, was deleted before the create could
// return the node.
func notCreated(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return fmt.Errorf("%w: %w", ErrDeleted, err)
	}
	return err
}

// own returns an error unless the node is this session's.
func (p *Place) own() error {
	if p.node.Stat.EphemeralOwner == p.session.ID() {
		return nil
	}
	return fmt.Errorf("%s belongs to session %#x and not to this one, %#x",
		p.node.Path, p.node.Stat.EphemeralOwner, p.session.ID())
}

func (p *Place) deleted() error { return deletedAt(p.node.Path) }

func deletedAt(path string) error { return fmt.Errorf("%s: %w", path, ErrDeleted) }

// arrange lists the competitors among names in order. Other children are ignored.
func (q Queue) arrange(names []string) []seqnode.Name {
	order, _ := q.Dialect.Arrange(names)
	return order
}

// yields reports whether a place waits for somebody who stands before it.
func (q Queue) yields(to seqnode.Name) bool { return q.Yield == 0 || q.Yield.Has(to.Kind) }

// nextAhead finds the place among names and returns the path of the nearest node before it that it waits for, "" if there is
// none, and how many places such nodes stand for. Those it does not wait for may stand in between.
func (p *Place) nextAhead(names []string) (path string, ahead int, err error) {
	before, err := p.before(names)
	if err != nil || len(before) == 0 {
		return "", 0, err
	}
	path = framework.Join(p.queue.Dir, before[len(before)-1].Full)
	return path, len(places(before)), nil
}

// name is that of the place's node, the first one if there are several.
func (p *Place) name() seqnode.Name { return seqnode.Parse(base(p.node.Path)) }

// before finds the place among names and returns those before it that it waits for, in order.
func (p *Place) before(names []string) ([]seqnode.Name, error) {
	order := p.queue.arrange(names)
	var own []seqnode.Name
	for _, path := range p.paths() {
		name := seqnode.Parse(base(path))
		if !slices.Contains(order, name) {
			return nil, p.deleted()
		}
		own = append(own, name)
	}
	last := slices.MaxFunc(own, seqnode.Compare)
	return slices.DeleteFunc(seqnode.Before(order, last), func(n seqnode.Name) bool {
		return !p.queue.yields(n) || slices.Contains(own, n)
	}), nil
}

// base is the last element of a path.
func base(path string) string {
	_, name := framework.Split(path)
	return name
}

// wait returns nil when nobody is left to wait for. names is the directory as it was listed last; see enter.
//
// Unless the queue is Strict, the own node is not watched meanwhile: that would cost every waiter a request and every hand-over an event.
// Whoever loses its node while it waits finds out when the one before it goes, and then queues again.
func (p *Place) wait(ctx context.Context, names []string) error {
	if p.queue.inLine() {
		return p.waitInLine(ctx, names)
	}
	for {
		n, refused := p.session.Refusals()
		if n > 0 {
			if err := p.blocked(names); err != nil {
				return err
			}
		}
		before, ahead, err := p.nextAhead(names)
		if err == nil {
			telemetry.Rank(ctx, ahead, before)
		}
		if err != nil || before == "" {
			return err
		}
		p.reportWaiting(before, nil, ahead)
		if err := p.waitFor(ctx, before, ahead, refused); err != nil {
			return p.waited(before, err)
		}
		if names, _, err = p.session.Children(ctx, p.queue.Dir); err != nil {
			return p.unlisted(err)
		}
	}
}

// waited is the error of a place that waited behind a node.
func (p *Place) waited(behind string, err error) error {
	return fmt.Errorf("%s waited behind %s: %w", p.node.Path, behind, err)
}

// blocked returns an error if one of those before the place is a leftover that the servers refuse to remove.
func (p *Place) blocked(names []string) error {
	before, err := p.before(names)
	if err != nil {
		return err
	}
	_, err = p.queue.leftovers(p.session, before)
	return err
}

// waitFor returns nil when the node before the own one has changed or is gone, or when refused is closed.
func (p *Place) waitFor(ctx context.Context, before string, ahead int, refused <-chan struct{}) error {
	node, w, err := p.session.WatchData(ctx, before)
	switch {
	case errors.Is(err, framework.ErrNoNode):
		return nil
	case err != nil:
		return err
	}
	defer w.Stop()
	p.reportWaiting(before, node.Data, ahead)
	select {
	case ev := <-w.C:
		return ev.Err
	case <-refused:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withdraw leaves the queue without waiting for it.
func (p *Place) withdraw() { batch{p}.withdraw() }

// leave removes the nodes. What ctx leaves undone is done in the background. Nodes that are gone already, or whose session is
// over, need nothing more.
func (p *Place) leave(ctx context.Context) error {
	err := p.remove(ctx)
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrSessionLost) {
		return nil
	}
	return err
}

// remove deletes the nodes, as one change. framework.ErrNoNode says that some were gone, and that the others are now.
func (p *Place) remove(ctx context.Context) error {
	if len(p.twins) > 0 {
		return recipekit.DeleteTwins(ctx, p.session, p.paths())
	}
	return p.session.Delete(ctx, p.node.Path, framework.AnyVersion, framework.Guaranteed)
}
