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

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/internal/wire"
)

// CreateOption says how a node is created: a [Mode], [Parents], [PersistentParents], [Protected], [WithTTL], [WithACL] or
// [Idempotent].
type CreateOption interface{ applyCreate(*create) }

type createOption func(*create)

func (f createOption) applyCreate(c *create) { f(c) }

var (
	// Parents creates missing parents, without data. They are containers, or persistent nodes with
	// [Config.PersistentParents] and on servers that do not support containers. Servers may remove empty containers at
	// any time. If that happens during the create, the parents are created again.
	Parents CreateOption = createOption(func(c *create) { c.parents = true })

	// PersistentParents is [Parents] with persistent nodes as parents, which stay when they are empty.
	PersistentParents CreateOption = createOption(func(c *create) { c.parents, c.persistentParents = true, true })

	// Protected puts a GUID into the node's name, "_c_<GUID>-name" as Curator does. So the node can be found if the
	// connection breaks before the reply to its create arrives. If the create is abandoned, the node is removed in the
	// background, in case it exists, as soon as there is a connection.
	//
	// If ctx ends before the reply to a [Session]'s create of an ephemeral node, Create waits for the reply while there
	// is a connection, for an eighth of the session timeout at most.
	Protected CreateOption = createOption(func(c *create) { c.protected = true })
)

// WithTTL sets the time to live of a node with a TTL mode, in whole milliseconds.
func WithTTL(ttl time.Duration) CreateOption { return createOption(func(c *create) { c.ttl = ttl }) }

// WithACL sets the node's access-control list to a copy of acl. Parents get Config.ACL.
// Defaults to Config.ACL.
func WithACL(acl []ACL) CreateOption {
	own := slices.Clone(acl)
	return createOption(func(c *create) { c.acl = own })
}

// create is one create in progress.
type create struct {
	mode              Mode
	modes             []Mode // as given by the options
	parents           bool
	protected         bool
	persistentParents bool
	repeat            bool
	ttl               time.Duration
	acl               []ACL
	data              []byte

	space    space
	at       string // the requested path with chroot and GUID
	guid     string
	before   yardstick // before the last attempt
	sentIn   *epoch    // of the last attempt
	rivals   *rivals   // for an ephemeral node that is recognised by its owner only
	nodes    []Node    // the result
	list     *listing
	lingers  bool     // when ctx ends, its reply is awaited for a short time
	together bool     // other creates may share its transaction
	twins    []string // the names behind the GUID of nodes that are created together; nil for a single node
}

// Create creates a node and returns it with its actual path (sequence number and GUID included) and its Stat. nil data
// is stored as empty, not as null, because clients in other languages often cannot handle null.
//
// If the reply is lost, Create looks for the node, a protected node by its GUID and an ephemeral one by its owner, and
// creates it again only if it certainly does not exist. A node of an earlier session is never mistaken for it. If
// another client has deleted the node before Create looked for it, the node is created again. For a persistent or
// sequential node without [Protected], Create cannot tell, and returns [ErrOutcomeUnknown].
//
// Errors: [ErrNodeExists], [ErrNoChildrenForEphemerals], [ErrNoAuth], [ErrInvalidACL], [ErrTooLarge], [ErrInvalidPath].
// [ErrNoNode] means that a parent is missing and [Parents] was not given, or that the server did not return the Stat
// and the node was deleted before it could be read.
func (o *ops) Create(ctx context.Context, path string, data []byte, opts ...CreateOption) (Node, error) {
	c, err := o.newCreate(path, data, opts)
	if err != nil {
		return Node{}, o.failUnsent("create", path, err)
	}
	return c.run(ctx, o, path)
}

// createInQueue creates a protected ephemeral sequential node named name in dir, with dir and its parents if needed,
// and lists dir in the same round trip, right behind the create on the session's connection. The list contains the
// node. If the node was created and the list failed, the node is returned with the error.
func (s *Session) createInQueue(ctx context.Context, dir, name string, data []byte, opts ...CreateOption) (Node, []string, error) {
	opts = append([]CreateOption{defaultMode(EphemeralSequential), Parents, Protected}, opts...)
	path := Join(dir, name)
	c, err := s.newCreate(path, data, opts)
	if fault := ValidatePath(dir); fault != nil {
		path, err = dir, fault // Join would hide it
	}
	if err != nil {
		return Node{}, nil, s.failUnsent("create", path, err)
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
	c := &create{data: append([]byte{}, data...), acl: o.core.cfg.ACL, space: o.space}
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

// resolveNew is resolve for a node to create. The name of a sequential node may be nothing but its number, as in
// "/queue/".
func (o *ops) resolveNew(path string, m Mode) (string, error) {
	dir, ok := strings.CutSuffix(path, "/")
	switch {
	case !ok || !m.sequential() || strings.HasSuffix(dir, "/"):
		return o.space.resolve(path)
	case dir == "":
		return string(o.space) + "/", nil
	}
	at, err := o.space.resolve(dir)
	return at + "/", err
}

func (c *create) run(ctx context.Context, o *ops, path string) (Node, error) {
	if err := c.protect(o.core.random); err != nil {
		return Node{}, o.failUnsent("create", path, err)
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

// size returns an upper bound for the bytes that the nodes take in a request.
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

// decidable reports whether reading the tree can tell whether the create was applied. A sequential node without a GUID
// looks like its siblings.
func (c *create) decidable() bool { return c.protected || !c.mode.sequential() }

// try creates the node, and its parents again each time the servers have removed them.
func (c *create) try(ctx context.Context, e *epoch) error {
	const enough = 100 // rounds; another client deletes the parents in a loop
	for range enough {
		c.before, c.sentIn = e.yardstick(), e
		send := c.send
		if c.together {
			send = c.sendTogether
		}
		nodes, err := send(ctx, e)
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

// send creates the node and, for createInQueue, lists its directory behind it. If the create lingers, its reply is
// awaited for a short time after ctx has ended: the caller then knows which node to remove.
func (c *create) send(ctx context.Context, e *epoch) ([]Node, error) {
	q, err := c.query(e)
	if err != nil {
		return nil, err
	}
	first := q.call(ctx)
	calls := []*wire.Call{&first.Call}
	var list *asked[listing]
	if c.list != nil {
		dir, _ := Split(c.at)
		list = childrenQuery(dir, false).call(ctx)
		calls, *c.list = append(calls, &list.Call), listing{}
	}
	if err := e.send(ctx, calls...); err != nil {
		return nil, err
	}
	if list != nil { // the list's reply comes last, so waiting for it wakes the caller only once
		if l, err := list.wait(ctx, e); err == nil {
			*c.list = l // otherwise the caller lists again
		}
	}
	longer, cancel := ctx, func() {}
	if c.lingers && !first.await(ctx) {
		longer, cancel = e.linger(ctx, nil)
	}
	defer cancel()
	nodes, err := first.wait(longer, e)
	if err != nil {
		return nil, err
	}
	return c.complete(longer, e, nodes)
}

// errDeletedSince means that a node was created and deleted before its Stat was read.
var errDeletedSince error = &explainedError{ErrNoNode, "the node was created, and deleted by somebody before its Stat could be read"}

// query returns the request for the node, or for all twins. It fails if the servers do not support the mode.
func (c *create) query(e *epoch) (query[[]Node], error) {
	if c.twins != nil {
		return c.twinsQuery(), nil
	}
	body := jute.CreateRequest{Path: c.at, Data: c.data, ACL: juteACLs(c.acl), Flags: int32(c.mode)}
	q := query[[]Node]{op: jute.OpCreate, at: c.at, body: &body, long: isLong(c.size()), decode: func(d *jute.Decoder) []Node {
		node := Node{Path: c.space.local(d.String()), Data: c.data}
		if d.Remaining() > 0 { // older servers send no Stat
			node.Stat = decodeStat(d)
		}
		return []Node{node}
	}}
	can := &e.core.can
	switch {
	case c.mode == Container:
		q.op, q.kind = jute.OpCreateContainer, can.kind(capContainer)
		return q, can.lack(capContainer)
	case c.mode.ttl():
		q.op, q.body, q.kind = jute.OpCreateTTL, &jute.CreateTTLRequest{CreateRequest: body, TTL: c.ttl.Milliseconds()}, can.kind(capTTL)
		return q, can.lack(capTTL)
	case can.answers(capCreate2), can.has(capCreate2) && !q.long: // only one capability is tested at a time
		q.op, q.kind = jute.OpCreate2, can.kind(capCreate2)
	}
	return q, nil
}

// complete reads the Stat of a created node if the server has not returned it.
func (c *create) complete(ctx context.Context, e *epoch, nodes []Node) ([]Node, error) {
	if len(nodes) != 1 || nodes[0].Stat.Czxid != 0 {
		return nodes, nil
	}
	at, err := c.space.resolve(nodes[0].Path)
	if err != nil { // the server returned an unexpected path for a node that was created
		return nil, fmt.Errorf("%w (%v)", zk.ErrConnectionClosed, err)
	}
	stat, err := e.stat(ctx, at)
	switch {
	case err != nil: // the create was applied, whatever became of the read
		return nil, fmt.Errorf("%w (%v)", zk.ErrConnectionClosed, err)
	case stat == nil:
		return nil, errDeletedSince
	}
	nodes[0].Stat = *stat
	return nodes, nil
}

// makeParents creates the missing nodes above at. It may be called repeatedly.
func (c *create) makeParents(ctx context.Context, e *epoch, at string) error {
	dir, _ := Split(at)
	if dir == "/" {
		return nil
	}
	_, err := ask(ctx, e, c.parentQuery(e, dir))
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
	return &unsentError{err} // the node's own create has not been sent
}

// parentQuery creates one node above the node: a container if the servers support them, otherwise, and for twins, a
// persistent node.
func (c *create) parentQuery(e *epoch, dir string) query[struct{}] {
	cfg, can := &e.core.cfg, &e.core.can
	body := &jute.CreateRequest{Path: dir, Data: []byte{}, ACL: juteACLs(cfg.ACL), Flags: int32(Persistent)}
	if own, _ := Split(c.at); c.twins != nil && dir == own || cfg.PersistentParents || c.persistentParents || !can.has(capContainer) {
		return query[struct{}]{op: jute.OpCreate, at: dir, body: body}
	}
	body.Flags = int32(Container)
	return query[struct{}]{op: jute.OpCreateContainer, at: dir, body: body, kind: can.kind(capContainer)}
}

// settle finds out whether a create was applied whose reply was lost.
func (c *create) settle(ctx context.Context, e *epoch) (verdict, error) {
	if c.twins != nil {
		return c.settleTwins(ctx, e)
	}
	if c.protected {
		return c.settleProtected(ctx, e)
	}
	node, err := ask(ctx, e, getQuery(c.space, c.at, false))
	if errors.Is(err, ErrNoNode) {
		return notApplied, nil
	}
	if err != nil {
		return undecided, err
	}
	return c.judge(e, node)
}

// judge decides whether node is the result of this create.
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

// settleProtected looks for the node by its GUID. A node of an earlier session, which may still exist, is never
// adopted.
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

// abandon removes a protected node that may exist, in the background.
func (c *create) abandon(o *ops, err error) {
	if !c.protected || c.sentIn == nil || isRefusal(err) {
		return
	}
	dir, _ := Split(c.at)
	t := task{name: "remove " + c.at, at: []string{c.at}, size: len(c.at), guid: c.guid, after: leftBehind(err)}
	t.run = func(ctx context.Context, e *epoch) error { return e.removeProtected(ctx, dir, c.guid) }
	if c.mode.ephemeral() {
		t.in = c.sentIn
	}
	o.core.janitor.add(t)
}

// isRefusal reports whether a server refused the create, so that there is nothing to remove.
func isRefusal(err error) bool {
	return isAnswer(errors.Unwrap(err)) && !errors.Is(err, ErrOutcomeUnknown)
}

// removeProtected deletes the nodes in dir with a GUID of this client: at most one for each session in which the create
// was sent.
func (e *epoch) removeProtected(ctx context.Context, dir, guid string) error {
	if err := e.sync(ctx, dir); err != nil {
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

// find lists the nodes in dir with a GUID of this client.
func (e *epoch) find(ctx context.Context, dir, guid string) ([]string, error) {
	l, err := ask(ctx, e, childrenQuery(dir, false))
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

// remove deletes a node in an epoch. It is not an error if the node does not exist.
func (e *epoch) remove(ctx context.Context, at string, version int32) error {
	_, err := ask(ctx, e, deleteQuery(at, version))
	if errors.Is(err, ErrNoNode) {
		return nil
	}
	return err
}
