package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/internal/wire"
)

// createTwins creates several protected nodes of the session in dir in one transaction, one for each of names. They are
// ephemeral, and sequential unless opts contain [Ephemeral]. They are returned in the order of names, and share one
// GUID and one czxid. Sequential ones have consecutive numbers.
//
// A lost reply is settled as for a protected create. If another client has deleted a part of the twins meanwhile, they
// count as deleted: the rest is deleted, and they are created again. If a twin is deleted later, the others remain.
//
// If the directory is missing, it is created as a persistent node, and its parents as containers: the clients with
// which such directories are shared cannot handle its removal.
//
// The reply to a transaction does not contain its zxid. So the czxid is read from a further node, which the same
// transaction creates, sets and deletes. No client ever sees that node, but it takes a sequence number.
func (s *Session) createTwins(ctx context.Context, dir string, names []string, data []byte, opts ...CreateOption) ([]Node, error) {
	nodes, _, err := s.makeTwins(ctx, dir, names, data, nil, opts)
	return nodes, err
}

// createTwinsInQueue is createTwins with a list of dir, sent right behind it in the same round trip. The list contains
// the nodes. If they were created and the list failed, they are returned with the error.
func (s *Session) createTwinsInQueue(ctx context.Context, dir string, names []string, data []byte, opts ...CreateOption) ([]Node, []string, error) {
	list := &listing{}
	nodes, at, err := s.makeTwins(ctx, dir, names, data, list, opts)
	if err != nil {
		return nil, nil, err
	}
	if _, own := Split(at); !contains(list.names, own) {
		names, _, err := s.Children(ctx, dir)
		return nodes, names, err
	}
	return nodes, list.names, nil
}

// makeTwins creates the twins. It returns them and the path of the first one.
func (s *Session) makeTwins(ctx context.Context, dir string, names []string, data []byte, list *listing, opts []CreateOption) ([]Node, string, error) {
	opts = append([]CreateOption{defaultMode(EphemeralSequential), Parents}, opts...)
	c, err := s.newTwins(dir, names, data, append(opts, Protected))
	if err != nil {
		return nil, "", s.failUnsent("create", dir, err)
	}
	c.list = list
	if _, err := c.run(ctx, &s.ops, Join(dir, names[0])); err != nil {
		return nil, "", err
	}
	return c.nodes, c.nodes[0].Path, nil
}

func (s *Session) newTwins(dir string, names []string, data []byte, opts []CreateOption) (*create, error) {
	if err := ValidatePath(dir); err != nil { // Join would hide it
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: no names", zk.ErrBadArguments)
	}
	for _, name := range names {
		if name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("%w: %q is not a name", ErrInvalidPath, name)
		}
		if _, err := s.space.resolve(Join(dir, name)); err != nil {
			return nil, err
		}
	}
	c, err := s.newCreate(Join(dir, names[0]), data, opts)
	if err == nil && !c.mode.ephemeral() {
		err = fmt.Errorf("%w: twins are ephemeral", zk.ErrInvalidFlags)
	}
	if err != nil {
		return nil, err
	}
	c.twins = names
	return c, nil
}

// twinPaths returns the requested paths of the twins, in the servers' form.
func (c *create) twinPaths() []string {
	dir, _ := Split(c.at)
	paths := make([]string, len(c.twins))
	for i, name := range c.twins {
		paths[i] = Join(dir, seqnode.Protected(c.guid, name))
	}
	return paths
}

// twinsQuery returns the request for all twins. The server checks an operation of a multi against those before it.
func (c *create) twinsQuery() query[[]Node] {
	var requests []jute.MultiOp
	for _, at := range c.twinPaths() {
		requests = append(requests, createOp(at, c.data, c.acl, c.mode))
	}
	n := len(requests)
	dir, _ := Split(c.at)
	stamp := Join(dir, seqnode.Protected(c.guid, "stamp"))
	requests = append(requests, createOp(stamp, []byte{}, OpenACL(), Ephemeral), setOp(stamp, []byte{}, AnyVersion), deleteOp(stamp, AnyVersion))
	multi := multiQuery(c.at, requests)
	var refused error // decode and judge run one after the other
	return query[[]Node]{op: multi.op, at: c.at, body: multi.body, long: isLong(c.size()),
		decode: func(d *jute.Decoder) []Node {
			results := multi.decode(d)
			refused = multi.judge(results)
			if refused == nil && results[n+1].Stat == nil {
				refused = fmt.Errorf("%w: a set in a multi is answered without a Stat", wire.ErrMalformed)
			}
			if refused != nil || d.Err() != nil {
				return nil
			}
			return c.twinNodes(results[:n], Stat(*results[n+1].Stat))
		},
		judge: func([]Node) error { return refused },
	}
}

// twinNodes returns the nodes for the results; stamp is the Stat of the further node.
func (c *create) twinNodes(results []jute.MultiResult, stamp Stat) []Node {
	stamp.Czxid, stamp.Pzxid, stamp.Version, stamp.DataLength = stamp.Mzxid, stamp.Mzxid, 0, int32(len(c.data))
	nodes := make([]Node, len(results))
	for i := range nodes {
		nodes[i] = Node{Path: c.space.local(results[i].Path), Data: c.data, Stat: stamp}
	}
	return nodes
}

// settleTwins looks for the twins by their GUID: all of them, or none.
func (c *create) settleTwins(ctx context.Context, e *epoch) (verdict, error) {
	dir, _ := Split(c.at)
	found, err := e.find(ctx, dir, c.guid)
	if err != nil {
		return undecided, err
	}
	nodes, n := make([]Node, len(c.twins)), 0
	for _, at := range found {
		stat, err := e.stat(ctx, at)
		if err != nil {
			return undecided, err
		}
		if i := c.twinAt(at); i >= 0 && stat != nil && stat.EphemeralOwner == e.wire.ID() {
			nodes[i] = Node{Path: c.space.local(at), Data: c.data, Stat: *stat}
			n++
		}
	}
	if n == len(nodes) {
		c.nodes = nodes
		return applied, nil
	}
	return notApplied, c.removeRest(ctx, e, nodes)
}

// removeRest deletes what another client has left of the twins.
func (c *create) removeRest(ctx context.Context, e *epoch, nodes []Node) error {
	for _, node := range nodes {
		if node.Path == "" {
			continue
		}
		at, err := c.space.resolve(node.Path)
		if err == nil {
			err = e.remove(ctx, at, AnyVersion)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// twinAt returns the index of the twin at a path; -1 if there is none.
func (c *create) twinAt(at string) int {
	for i, asked := range c.twinPaths() {
		number, ok := strings.CutPrefix(at, asked)
		if !ok {
			continue
		}
		if _, ok := seqnode.ParseSeq(number); ok == c.mode.sequential() && (ok || number == "") {
			return i
		}
	}
	return -1
}

// deleteTwins deletes ephemeral nodes of this session in one transaction. If some of them are already gone, it deletes
// the others and returns [ErrNoNode]. If ctx ends first, the rest is done in the background, as with [Guaranteed]. If a
// reply was lost, nodes that are gone count as deleted by this call.
func (s *Session) deleteTwins(ctx context.Context, paths []string) error {
	d := &twinDelete{known: s.known()}
	for _, path := range paths {
		at, err := s.space.resolve(path)
		if err != nil {
			return s.failUnsent("delete", path, err)
		}
		d.at = append(d.at, at)
	}
	if len(paths) == 0 {
		return nil
	}
	err := s.do(ctx, request{op: "delete", path: paths[0], size: d.size(), inParts: true, try: d.try, settle: d.settle})
	if err != nil {
		t := task{name: "delete " + d.at[0] + " and its twins", at: d.at, size: d.size(), in: s.fixed, run: d.finish}
		s.delegate(ctx, t, d.try, err)
	}
	return err
}

// twinDelete is a deleteTwins in progress.
type twinDelete struct {
	at    []string
	known knowledge // at the time of the call
	gone  error     // a server's reply that one of them did not exist; nil without one
}

func (d *twinDelete) size() int {
	size := 0
	for _, at := range d.at {
		size += 48 + len(at)
	}
	return size
}

func (d *twinDelete) try(ctx context.Context, e *epoch) error {
	requests := make([]jute.MultiOp, len(d.at))
	for i, at := range d.at {
		requests[i] = deleteOp(at, AnyVersion)
	}
	_, err := multiQuery(d.at[0], requests).call(ctx).written(ctx, e)
	if !errors.Is(err, ErrNoNode) {
		return err
	}
	d.gone = err
	for _, at := range d.at { // one by one, since one is missing
		if err := e.remove(ctx, at, AnyVersion); err != nil {
			return ofAnother(err)
		}
	}
	return err
}

// settle checks that all of them are gone. Names are never reused, so a node that exists is the one to delete.
func (d *twinDelete) settle(ctx context.Context, e *epoch) (verdict, error) {
	for _, at := range d.at {
		stat, err := e.stat(ctx, at)
		if err != nil {
			return undecided, err
		}
		if stat != nil && stat.EphemeralOwner == e.wire.ID() {
			return notApplied, nil
		}
	}
	if d.gone != nil { // a lost reply for the rest does not change that
		return refused, d.gone
	}
	return applied, nil
}

// finish deletes the remaining ones in the background.
func (d *twinDelete) finish(ctx context.Context, e *epoch) error {
	for _, at := range d.at {
		w := &write{at: at, version: AnyVersion}
		if err := w.removeKnown(ctx, e, &d.known); err != nil {
			return err
		}
	}
	return nil
}
