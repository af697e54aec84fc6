package framework

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/seqnode"
)

// CreateOption says how a node is created: a [Mode], [Parents], [Protected], [WithTTL], [WithACL] or [Idempotent].
type CreateOption interface{ applyCreate(*create) }

type createOption func(*create)

func (f createOption) applyCreate(c *create) { f(c) }

var (
	// Parents creates missing parents, as containers without data. Servers remove empty containers at any time; a
	// create that meets that creates them again.
	Parents CreateOption = createOption(func(c *create) { c.parents = true })

	// Protected puts a GUID into the node's name, "_c_<GUID>-name" as Curator does, so that a node whose create was
	// answered by a broken connection is found again. When the create is given up, the node, should it exist, is removed
	// in the background as soon as the servers are back. The create of an ephemeral node by a [Session] that is unanswered when ctx
	// ends waits for the answer while there is a connection, for an eighth of the session timeout at most.
	Protected CreateOption = createOption(func(c *create) { c.protected = true })
)

// WithTTL sets the time to live of a node of a TTL mode, in whole milliseconds.
func WithTTL(ttl time.Duration) CreateOption { return createOption(func(c *create) { c.ttl = ttl }) }

// WithACL sets the node's access-control list, which is copied. Defaults to Config.ACL. Parents get Config.ACL.
func WithACL(acl []ACL) CreateOption {
	own := slices.Clone(acl)
	return createOption(func(c *create) { c.acl = own })
}

// create is one create on its way.
type create struct {
	mode      Mode
	modes     []Mode // that were given
	parents   bool
	protected bool
	repeat    bool
	ttl       time.Duration
	acl       []ACL
	data      []byte

	space   space
	at      string // the path asked for, as the server knows it, GUID included
	guid    string
	before  yardstick // of the last try
	sentIn  *epoch    // of the last try
	rivals  *rivals   // of an ephemeral node that only its owner tells from others
	nodes   []Node    // the result
	list    *listing
	lingers bool     // its answer is waited for a little when ctx ends
	twins   []string // what stands behind the GUID of nodes that are made together; nil for a single node
}

// Create creates a node and returns it as it is: with its sequence number, GUID and Stat. Data that is nil is stored as
// empty and not as null, which readers in other languages stumble over.
//
// When the answer is lost, the node is looked for and created again only if it certainly is not there: a protected node by
// its GUID, an ephemeral one by its owner. A node of a session that is gone is never taken for one's own. What cannot be
// decided (a persistent or sequential node without [Protected]) is [ErrOutcomeUnknown]. A node that somebody else has
// deleted before it could be looked for is not there, and is created again.
//
// Errors: [ErrNodeExists], [ErrNoNode] for a missing parent without [Parents], or if a server does not return the Stat and the node
// was gone when it was asked for; [ErrNoChildrenForEphemerals], [ErrNoAuth], [ErrInvalidACL], [ErrTooLarge], [ErrInvalidPath].
func (o *ops) Create(ctx context.Context, path string, data []byte, opts ...CreateOption) (Node, error) {
	c, err := o.newCreate(path, data, opts)
	if err != nil {
		return Node{}, &OpError{Op: "create", Path: path, State: o.core.gate.Load().State, Err: err}
	}
	return c.run(ctx, o, path)
}

// CreateInQueue creates a protected ephemeral sequential node named name in dir, with dir and its parents if need be, and
// lists dir right behind it on the session's ordered connection: one round trip for both. The node is in the list.
// When the node was created and the list cannot be had, the node comes with the error.
func (s *Session) CreateInQueue(ctx context.Context, dir, name string, data []byte, opts ...CreateOption) (Node, []string, error) {
	opts = append([]CreateOption{defaultMode(EphemeralSequential), Parents, Protected}, opts...)
	path := Join(dir, name)
	c, err := s.newCreate(path, data, opts)
	if fault := ValidatePath(dir); fault != nil {
		path, err = dir, fault // Join would hide it
	}
	if err != nil {
		return Node{}, nil, &OpError{Op: "create", Path: path, State: s.core.gate.Load().State, Err: err}
	}
	c.list = &listing{}
	node, err := c.run(ctx, &s.ops, path)
	if err != nil {
		return Node{}, nil, err
	}
	if _, own := Split(node.Path); !contains(c.list.names, own) {
		names, _, err := s.Children(ctx, dir)
		return node, names, err
	}
	return node, c.list.names, nil
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func (o *ops) newCreate(path string, data []byte, opts []CreateOption) (*create, error) {
	c := &create{data: owned(data), acl: o.core.cfg.ACL, space: o.space}
	for _, opt := range opts {
		opt.applyCreate(c)
	}
	if err := c.chooseMode(); err != nil {
		return nil, err
	}
	if c.mode.ttl() != (c.ttl > 0) || c.ttl < 0 || c.ttl%time.Millisecond != 0 {
		return nil, fmt.Errorf("%w: a TTL mode goes with a WithTTL of whole milliseconds, and no other mode does", zk.ErrInvalidFlags)
	}
	if c.protected && c.mode == Container {
		return nil, fmt.Errorf("%w: containers are not created with Protected", zk.ErrInvalidFlags)
	}
	at, err := o.resolveNew(path, c.mode)
	c.at = at
	return c, err
}

// resolveNew is resolve for a node to create: a sequential one may be nothing but its number, "/queue/".
func (o *ops) resolveNew(path string, m Mode) (string, error) {
	dir, ok := strings.CutSuffix(path, "/")
	switch {
	case !ok || !m.sequential():
		return o.space.resolve(path)
	case dir == "":
		return string(o.space) + "/", nil
	}
	at, err := o.space.resolve(dir)
	return at + "/", err
}

func (c *create) run(ctx context.Context, o *ops, path string) (Node, error) {
	if err := c.protect(o.core.random); err != nil {
		return Node{}, &OpError{Op: "create", Path: path, Err: err}
	}
	r := request{op: "create", path: path, size: c.size(), repeatable: c.repeat && !c.protected, passing: c.mode.ephemeral(), try: c.try}
	if c.decidable() {
		r.settle = c.settle
	}
	if c.mode == Ephemeral && !c.protected {
		c.rivals = o.core.creating.enter(c.at)
		defer o.core.creating.leave(c.at)
	}
	c.lingers = o.fixed != nil && c.protected && c.mode.ephemeral()
	err := o.do(ctx, r)
	if err != nil {
		c.abandon(o, err)
		return Node{}, err
	}
	return c.nodes[0], nil
}

// size is more than the nodes take in a request.
func (c *create) size() int {
	size := len(c.at) + len(c.data)
	for _, a := range c.acl {
		size += 12 + len(a.Scheme) + len(a.ID)
	}
	if c.twins != nil {
		return (len(c.twins) + 3) * (size + 48)
	}
	return size
}

// protect draws the GUID.
func (c *create) protect(r *random) error {
	if !c.protected {
		return nil
	}
	guid, err := seqnode.ReadGUID(r)
	if err != nil {
		return err
	}
	dir, name := c.at[:strings.LastIndexByte(c.at, '/')+1], c.at[strings.LastIndexByte(c.at, '/')+1:]
	c.guid, c.at = guid, dir+seqnode.Protected(guid, name)
	return nil
}

// decidable reports whether a look at the tree can tell what became of the create. A sequential node without a GUID could
// be any of its siblings.
func (c *create) decidable() bool { return c.protected || !c.mode.sequential() }

// try creates the node, and its parents as often as servers take them away.
func (c *create) try(ctx context.Context, e *epoch) error {
	const enough = 100 // rounds; somebody is deleting the parents in a loop
	for range enough {
		c.before, c.sentIn = e.yardstick(), e
		nodes, err := c.send(ctx, e)
		if err == nil {
			c.nodes = nodes
			return nil
		}
		if !errors.Is(err, ErrNoNode) || !c.parents || errors.Is(err, errDeletedSince) {
			return err
		}
		if err := c.makeParents(ctx, e, c.at); err != nil {
			return err
		}
	}
	return &explainedError{ErrNoNode, fmt.Sprintf("the parent was deleted %d times while the node was created", enough)}
}

// send creates the node and, for CreateInQueue, lists its directory behind it.
func (c *create) send(ctx context.Context, e *epoch) ([]Node, error) {
	if c.list == nil {
		return c.ask(ctx, e)
	}
	before := ctx // the list is not waited for once it has ended
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent, remove := e.sent.await(opAny, c.at)
	defer remove()
	listed := make(chan listing, 1)
	go func() {
		defer close(listed)
		select {
		case <-sent:
		case <-ctx.Done():
			return
		}
		dir, _ := Split(c.at)
		l, err := call(ctx, e, func(conn *zk.Conn) (listing, error) { return listChildren(conn, dir) })
		if err == nil {
			listed <- l
		}
	}()
	nodes, err := c.ask(before, e)
	if err != nil {
		cancel()
	}
	*c.list = <-listed // empty when it failed; the caller then lists again
	return nodes, err
}

// ask sends the create. If the create lingers, ask waits for the answer a little longer than ctx: the caller then knows which node
// to remove.
func (c *create) ask(ctx context.Context, e *epoch) ([]Node, error) {
	create := func(conn *zk.Conn) ([]Node, error) { return c.create(conn, e) }
	if c.lingers {
		return lingeringCall(ctx, e, create)
	}
	return call(ctx, e, create)
}

// errDeletedSince says that a node was created and cannot be returned as it is.
var errDeletedSince error = &explainedError{ErrNoNode, "the node was created, and deleted by somebody before its Stat could be read"}

// create is the driver call. It runs to its end also when the caller has left.
func (c *create) create(conn *zk.Conn, e *epoch) ([]Node, error) {
	if c.twins != nil {
		return c.createTwins(conn)
	}
	at, err := c.driverCreate(conn)
	if err != nil {
		return nil, err
	}
	stat, ok := e.created.take(at)
	if !ok { // a server that does not return it
		there, s, err := conn.Exists(at)
		switch {
		case err != nil: // whatever became of the look, the create was applied
			return nil, fmt.Errorf("%w (%v)", zk.ErrConnectionClosed, err)
		case !there:
			return nil, errDeletedSince
		}
		stat = *s
	}
	return []Node{{Path: c.space.local(at), Data: c.data, Stat: stat}}, nil
}

func (c *create) driverCreate(conn *zk.Conn) (string, error) {
	switch {
	case c.mode == Container:
		return conn.CreateContainer(c.at, c.data, int32(c.mode), c.acl)
	case c.mode.ttl():
		return conn.CreateTTL(c.at, c.data, int32(c.mode), c.acl, c.ttl)
	default:
		return conn.Create(c.at, c.data, int32(c.mode), c.acl)
	}
}

// makeParents creates what is missing above at. It may be repeated at will.
func (c *create) makeParents(ctx context.Context, e *epoch, at string) error {
	dir, _ := Split(at)
	if dir == "/" {
		return nil
	}
	_, err := call(ctx, e, func(conn *zk.Conn) (string, error) {
		made, err := c.makeParent(conn, dir, e.core.cfg.ACL)
		e.created.take(made)
		return made, err
	})
	switch {
	case err == nil, errors.Is(err, ErrNodeExists):
		return nil
	case errors.Is(err, ErrNoNode):
		if err := c.makeParents(ctx, e, dir); err != nil {
			return err
		}
		return c.makeParents(ctx, e, at)
	case outcomeOf(err) == answered:
		return fmt.Errorf("create of the parent %s: %w", c.space.local(dir), e.core.explain("create", c.space.local(dir), err))
	}
	return &unsentError{err} // as far as the node itself is concerned
}

// makeParent creates one node above the node: a container, or what twins stand in.
func (c *create) makeParent(conn *zk.Conn, dir string, acl []ACL) (string, error) {
	if own, _ := Split(c.at); c.twins != nil && dir == own {
		return conn.Create(dir, []byte{}, zk.FlagPersistent, acl)
	}
	return conn.CreateContainer(dir, []byte{}, zk.FlagContainer, acl)
}

// settle finds out what became of a create whose answer was lost.
func (c *create) settle(ctx context.Context, e *epoch) (verdict, error) {
	if c.twins != nil {
		return c.settleTwins(ctx, e)
	}
	if c.protected {
		return c.settleProtected(ctx, e)
	}
	node, err := call(ctx, e, func(conn *zk.Conn) (Node, error) { return getNode(conn, c.space, c.at) })
	if errors.Is(err, ErrNoNode) {
		return notApplied, nil
	}
	if err != nil {
		return undecided, err
	}
	return c.judge(e, node)
}

// judge decides whether node is the one that was asked for.
func (c *create) judge(e *epoch, node Node) (verdict, error) {
	owned := c.mode.ephemeral() && node.Stat.EphemeralOwner == e.wire.ID()
	switch {
	case node.Stat.Czxid <= c.before.zxid && !c.before.broken(e.core), c.mode.ephemeral() && !owned, node.Stat.Version == 0 && !bytes.Equal(node.Data, c.data):
		return refused, ErrNodeExists
	case owned && !c.rivals.several():
		c.nodes = []Node{node}
		return applied, nil
	}
	return undecided, nil
}

// settleProtected looks for the node by its GUID. One of a dead session, which may still be there, is never adopted.
func (c *create) settleProtected(ctx context.Context, e *epoch) (verdict, error) {
	dir, _ := Split(c.at)
	found, err := e.find(ctx, dir, c.guid)
	if err != nil {
		return undecided, err
	}
	for _, at := range found {
		stat, err := e.stat(ctx, at)
		if err != nil {
			return undecided, err
		}
		if stat != nil && (!c.mode.ephemeral() || stat.EphemeralOwner == e.wire.ID()) {
			c.nodes = []Node{{Path: c.space.local(at), Data: c.data, Stat: *stat}}
			return applied, nil
		}
	}
	return notApplied, nil
}

// abandon has a protected node that may exist removed in the background.
func (c *create) abandon(o *ops, err error) {
	if !c.protected || c.sentIn == nil || isRefusal(err) {
		return
	}
	dir, _ := Split(c.at)
	t := task{name: "remove " + c.at, at: []string{c.at}, size: len(c.at), guid: c.guid, lists: true, after: leftBehind(err)}
	t.run = func(ctx context.Context, e *epoch) error { return e.removeProtected(ctx, dir, c.guid) }
	if c.mode.ephemeral() {
		t.in = c.sentIn
	}
	o.core.janitor.add(t)
}

// isRefusal reports whether a server answered: then there is nothing to clean up.
func isRefusal(err error) bool {
	return isAnswer(errors.Unwrap(err)) && !errors.Is(err, ErrOutcomeUnknown)
}

// removeProtected deletes what carries a GUID of ours in dir: at most one node of each session that was tried in.
func (e *epoch) removeProtected(ctx context.Context, dir, guid string) error {
	if err := e.sync(ctx); err != nil {
		return err
	}
	found, err := e.find(ctx, dir, guid)
	for _, at := range found {
		if err := e.remove(ctx, at, AnyVersion); err != nil {
			return err
		}
	}
	return err
}

// find lists what carries a GUID of ours in dir.
func (e *epoch) find(ctx context.Context, dir, guid string) ([]string, error) {
	l, err := call(ctx, e, func(conn *zk.Conn) (listing, error) { return listChildren(conn, dir) })
	if errors.Is(err, ErrNoNode) {
		return nil, nil
	}
	var found []string
	for _, name := range l.names {
		if seqnode.HasGUID(name, guid) {
			found = append(found, Join(dir, name))
		}
	}
	return found, err
}

// remove deletes a node on an epoch. One that is gone already is as good.
func (e *epoch) remove(ctx context.Context, at string, version int32) error {
	_, err := call(ctx, e, func(conn *zk.Conn) (struct{}, error) { return struct{}{}, conn.Delete(at, version) })
	if errors.Is(err, ErrNoNode) {
		return nil
	}
	return err
}
