package contest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/bench/suite/ground"
	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

// Stage is where cases are held: servers under one condition.
type Stage struct {
	Condition ground.Condition
	ZooKeeper string // its address
	Etcd      string // empty if there is none
	NoEtcd    string // why
	Root      string // below which everything happens

	scope   ground.Scope
	conn    *zk.Conn // of the benchmark itself
	loaders map[string]*Peer
	expire  func(ctx context.Context, session int64) error
	rounds  int            // of writes so far
	trees   map[string]int // how many nodes those that were made have
}

// NewStage starts servers.
func NewStage(ctx context.Context, c ground.Condition, dir string, loaders map[string]*Peer) (*Stage, error) {
	s := &Stage{Condition: c, Root: "/bench", loaders: loaders, trees: map[string]int{}}
	server, err := ground.ZooKeeper(&s.scope, c, dir)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.ZooKeeper, s.expire = server.Addr(), server.ExpireSession
	if s.Etcd, err = ground.Etcd(ctx, &s.scope, c, dir); err != nil {
		s.Etcd, s.NoEtcd = "", err.Error()
	}
	return s, s.connect(ctx)
}

// Guest is a stage on servers that belong to somebody else. Everything happens below root, which Close removes.
func Guest(ctx context.Context, zookeeper, root string) (*Stage, error) {
	s := &Stage{
		Condition: ground.Condition{Name: "yours", Means: "servers that were there, at " + zookeeper},
		ZooKeeper: zookeeper, Root: root, NoEtcd: "only ZooKeeper was named", trees: map[string]int{},
	}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	s.scope.Defer(func() error { return removeTree(s.conn, root) })
	return s, nil
}

// sessionTimeout is that of the benchmark's own session.
const sessionTimeout = 20 * time.Second

func (s *Stage) connect(ctx context.Context) error {
	connected := make(chan struct{}, 1)
	conn, _, err := zk.Connect(strings.Split(s.ZooKeeper, ","), sessionTimeout, zk.WithLogger(log.New(io.Discard, "", 0)),
		zk.WithEventCallback(func(ev zk.Event) {
			if ev.State == zk.StateHasSession {
				select {
				case connected <- struct{}{}:
				default:
				}
			}
		}))
	if err != nil {
		return errors.Join(err, s.Close())
	}
	s.scope.Defer(func() error {
		conn.Close()
		return nil
	})
	s.conn = conn
	select {
	case <-connected:
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), s.Close())
	}
	return errors.Join(s.make(s.Root, nil))
}

// Close stops the servers.
func (s *Stage) Close() error { return s.scope.Close() }

// make creates a node and its parents unless they are there.
func (s *Stage) make(path string, data []byte) error {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			if err := s.makeOne(path[:i], nil); err != nil {
				return err
			}
		}
	}
	return s.makeOne(path, data)
}

func (s *Stage) makeOne(path string, data []byte) error {
	_, err := s.conn.Create(path, data, 0, zk.WorldACL(zk.PermAll))
	if err != nil && !errors.Is(err, zk.ErrNodeExists) {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	return nil
}

// atOnce is how many operations a transaction of the benchmark has.
const atOnce = 500

// fill makes n nodes that name gives, with data that payload gives, in transactions.
func (s *Stage) fill(n int, name func(i int) string, payload func(i int) []byte) error {
	for first := 0; first < n; first += atOnce {
		var ops []any
		for i := first; i < min(n, first+atOnce); i++ {
			ops = append(ops, &zk.CreateRequest{Path: name(i), Data: payload(i), Acl: zk.WorldACL(zk.PermAll)})
		}
		if _, err := s.conn.Multi(ops...); err != nil {
			return fmt.Errorf("creating %s and others: %w", name(first), err)
		}
	}
	return nil
}

// tree makes a tree of n nodes, and returns how many there are with their directories and the root.
func (s *Stage) tree(root string, n int) (nodes int, err error) {
	if err := s.make(root, kit.Payload(0)); err != nil {
		return 0, err
	}
	for i := 0; i < n; i += kit.PerDirectory {
		if err := s.makeOne(kit.DirectoryPath(root, i), kit.Payload(0)); err != nil {
			return 0, err
		}
		nodes++
	}
	err = s.fill(n, func(i int) string { return kit.NodePath(root, i) }, func(int) []byte { return kit.Payload(0) })
	return nodes + n + 1, err
}

// removeTree deletes a node and everything below it.
func removeTree(conn *zk.Conn, path string) error {
	names, _, err := conn.Children(path)
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeTree(conn, path+"/"+name); err != nil {
			return err
		}
	}
	if err := conn.Delete(path, -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	return nil
}

// server returns the address of the server that a peer works on.
func (s *Stage) server(peer string) (string, error) {
	if peer != Etcd {
		return s.ZooKeeper, nil
	}
	if s.Etcd == "" {
		return "", errors.New(s.NoEtcd)
	}
	return s.Etcd, nil
}

// loader returns the process that writes what others follow.
func (s *Stage) loader(ctx context.Context, peer string) (*line.Child, error) {
	store := GoZK
	if peer == Etcd {
		store = Etcd
	}
	if s.loaders[store] == nil {
		return nil, fmt.Errorf("there is no loader for %s", peer)
	}
	return s.loaders[store].started(ctx)
}

// round is a number that no other round of writes has.
func (s *Stage) round() int {
	s.rounds++
	return s.rounds
}
