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

// Queue is a directory in which nodes compete. The dialect must contain the kind of each name.
type Queue struct {
	Dir      string          // its absolute path; created as a container if it is missing
	Name     string          // a node's name without prefix and number: "lock-"
	Twins    []string        // the same for further nodes of the same place; see the package documentation
	Dialect  seqnode.Dialect // the names that compete
	Yield    seqnode.Dialect // the names that a place waits for; 0 means all
	Data     []byte          // of a node
	ACL      []framework.ACL // of a node; nil for the client's
	Strict   bool            // no place can be inserted ahead of an existing one; see the package documentation
	Trail    *Trail          // of a queue whose places each have one node; may be nil
	Progress func(ahead int) // called with the number of places ahead of a waiting place when it is known and when it changes; may be nil
	Joined   func()          // called when a place has been created; may be nil
	heirs    bool            // places become claims that can have heirs
	Recipe   string          // name of the claim in framework.Client.Recipes; empty if the recipe that holds it reports it
}

// Place is a place in a queue, in one session.
type Place struct {
	queue   Queue
	session *framework.Session
	node    framework.Node   // the first one
	twins   []framework.Node // the others
	left    bool             // by withdraw
	told    int              // the last value given to Progress, plus 1; 0 before

	line     *line            // the place's line; nil if the queue is not Strict
	listedOn int              // the connection on which the create and the following list were answered; 0 if not known
	known    atomic.Int64     // places ahead according to the latest list
	first    chan struct{}    // closed when the place is the first of its line
	turn     chan struct{}    // receives a token when it was the heir of a place that has been released
	since    int              // number of lists that the line had requested when the place joined
	watch    *framework.Watch // on the node, once the turn has come; nil if there is none
}

// ErrDeleted means that another client has deleted the node of a claim or place.
var ErrDeleted = errors.New("its node was deleted by another client")

// enter adds a place to the queue and returns it with the list of the directory. With alone, the directory is not
// listed.
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

// create creates the nodes of a place and, without alone, lists the directory behind them. If only the list failed, it
// returns the nodes with the error.
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

// names returns the ends of the names of a place's nodes, before their numbers.
func (q Queue) names() []string { return append([]string{q.Name}, q.Twins...) }

// place returns the place of the session's nodes.
func (q Queue) place(s *framework.Session, nodes []framework.Node) *Place {
	return &Place{queue: q, session: s, node: nodes[0], twins: nodes[1:]}
}

// paths returns the place's nodes.
func (p *Place) paths() []string {
	paths := []string{p.node.Path}
	for _, twin := range p.twins {
		paths = append(paths, twin.Path)
	}
	return paths
}

// options returns the options with which nodes of the queue are created.
func (q Queue) options() []framework.CreateOption {
	if q.ACL == nil {
		return nil
	}
	return []framework.CreateOption{framework.WithACL(q.ACL)}
}

// unlisted interprets the error of a list: if the directory is gone, so is the place's node.
func (p *Place) unlisted(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return p.deleted()
	}
	return err
}

// notCreated interprets the error of a create. It matches [ErrDeleted] if the node, or the directory, was deleted
// before the create returned.
func notCreated(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return fmt.Errorf("%w: %w", ErrDeleted, err)
	}
	return err
}

// own returns an error unless the node belongs to this session.
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

// yields reports whether a place waits for a node ahead.
func (q Queue) yields(to seqnode.Name) bool { return q.Yield == 0 || q.Yield.Has(to.Kind) }

// nextAhead finds the place among names. It returns the path of the nearest node ahead that the place waits for ("" if
// there is none), and the number of places that such nodes belong to. Nodes that it does not wait for may be in
// between.
func (p *Place) nextAhead(names []string) (path string, ahead int, err error) {
	before, err := p.before(names)
	if err != nil || len(before) == 0 {
		return "", 0, err
	}
	path = framework.Join(p.queue.Dir, before[len(before)-1].Full)
	return path, len(seqnode.Places(before)), nil
}

// name returns the name of the place's node, the first one if there are several.
func (p *Place) name() seqnode.Name { return seqnode.Parse(base(p.node.Path)) }

// before finds the place among names and returns the names ahead that it waits for, in order.
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

// wait returns nil when there is nothing left to wait for. names is the last list of the directory; see enter.
//
// Unless the queue is Strict, the place's own node is not watched meanwhile, which would cost every waiter a request
// and every hand-over an event. A place whose node is deleted finds out when the node before it is removed, and then
// queues again.
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

// waited returns the error of a place that waited behind a node.
func (p *Place) waited(behind string, err error) error {
	return fmt.Errorf("%s waited behind %s: %w", p.node.Path, behind, err)
}

// blocked returns an error if a node ahead is a leftover that the servers refuse to remove.
func (p *Place) blocked(names []string) error {
	before, err := p.before(names)
	if err != nil {
		return err
	}
	_, err = p.queue.leftovers(p.session, before)
	return err
}

// waitFor returns nil when the node ahead has changed or is gone, or when refused is closed.
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

// withdraw leaves the queue without waiting.
func (p *Place) withdraw() { batch{p}.withdraw() }

// leave removes the nodes. If ctx ends, the rest is done in the background. It is not an error if they are gone already
// or their session has ended.
func (p *Place) leave(ctx context.Context) error {
	err := p.remove(ctx)
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrSessionLost) {
		return nil
	}
	return err
}

// remove deletes the nodes in one transaction. framework.ErrNoNode means that some were already gone, and the others
// are now.
func (p *Place) remove(ctx context.Context) error {
	if len(p.twins) > 0 {
		return recipekit.DeleteTwins(ctx, p.session, p.paths())
	}
	return p.session.Delete(ctx, p.node.Path, framework.AnyVersion, framework.Guaranteed)
}
