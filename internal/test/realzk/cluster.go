package realzk

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const idFile = dataDir + "/myid"

// Cluster is an ensemble of servers whose network between each other can be
// partitioned. Its methods can be called from any goroutine.
type Cluster struct {
	servers []*Server
	peers   *peers
}

// Ensemble starts n servers that form one ensemble, waits until all of them
// serve, and stops them at the end of the test. It skips or fails the test if
// there is no ZooKeeper here.
func Ensemble(tb TB, n int, opts Options) *Cluster {
	tb.Helper()
	cluster, err := startEnsemble(machine.require(tb), n, opts, reserve)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() {
		tidy(tb, cluster.servers...)
		cluster.peers.close()
	})
	return cluster
}

func startEnsemble(from installation, n int, opts Options, reserve reserver) (*Cluster, error) {
	if n < 2 {
		return nil, fmt.Errorf("realzk: an ensemble has at least 2 members, not %d", n)
	}
	return onFreePorts(func() (*Cluster, error) {
		cluster, err := newCluster(from, n, opts, reserve)
		if err != nil {
			return nil, err
		}
		if err := cluster.startAndWait(); err != nil {
			return nil, errors.Join(err, cluster.close())
		}
		return cluster, nil
	})
}

// newCluster lays out an ensemble of which nothing is started yet.
func newCluster(from installation, n int, opts Options, reserve reserver) (*Cluster, error) {
	peers, err := newPeers(n, reserve)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{peers: peers}
	clients, err := reserve(n)
	if err != nil {
		return nil, errors.Join(err, cluster.close())
	}
	for member := range n {
		server, err := newMember(from, member, opts, peers, clients)
		if err != nil {
			for _, p := range clients[member+1:] {
				p.release()
			}
			return nil, errors.Join(err, cluster.close())
		}
		cluster.servers = append(cluster.servers, server)
	}
	return cluster, nil
}

func newMember(from installation, member int, opts Options, peers *peers, clients []*port) (*Server, error) {
	lines := peers.lines(member, opts.Reconfig)
	if opts.Reconfig {
		for i, client := range clients {
			lines[i] += ";" + client.addr()
		}
	}
	server, err := newServer(fmt.Sprintf("server %d", member+1), from, opts, clients[member], lines)
	if err != nil {
		clients[member].release()
		return nil, err
	}
	if err := server.dir.write(idFile, strconv.Itoa(member+1)); err != nil {
		return nil, errors.Join(err, server.close())
	}
	return server, nil
}

func (c *Cluster) startAndWait() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for _, s := range c.servers {
		if err := s.Start(); err != nil {
			return err
		}
	}
	return c.WaitReady(ctx)
}

func (c *Cluster) close() error {
	var errs []error
	for _, s := range c.servers {
		errs = append(errs, s.close())
	}
	c.peers.close()
	return errors.Join(errs...)
}

// Servers returns the members. Their order never changes; the index of a member
// is what Partition takes.
func (c *Cluster) Servers() []*Server { return append([]*Server(nil), c.servers...) }

// ConnectString returns the addresses of all members, separated by commas.
func (c *Cluster) ConnectString() string {
	addrs := make([]string, len(c.servers))
	for i, s := range c.servers {
		addrs[i] = s.Addr()
	}
	return strings.Join(addrs, ",")
}

// WaitReady waits until every member that has a process serves clients. It fails
// when ctx or one of the processes ends.
func (c *Cluster) WaitReady(ctx context.Context) error {
	for _, s := range c.servers {
		if !s.Running() {
			continue
		}
		if err := s.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Leader waits until one member leads and a majority, itself included, serves.
func (c *Cluster) Leader(ctx context.Context) (*Server, error) {
	return c.LeaderOtherThan(ctx, nil)
}

// LeaderOtherThan is Leader for the time after the given one was killed, paused
// or partitioned: a leader that is cut off goes on calling itself so until it
// notices. The old leader is not asked and does not count.
func (c *Cluster) LeaderOtherThan(ctx context.Context, old *Server) (*Server, error) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		leader, answers := c.survey(ctx, old)
		if leader != nil {
			return leader, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("realzk: no leader yet: %w; the members say %q", context.Cause(ctx), answers)
		case <-poll.C:
		}
	}
}

// survey asks each member but one for its mode. It returns the leader if there
// is exactly one and a majority of the ensemble serves. It is not ended by ctx,
// so that its answers are those of the members; it is short enough.
func (c *Cluster) survey(ctx context.Context, except *Server) (leader *Server, answers []string) {
	ctx = context.WithoutCancel(ctx)
	serving, leaders := 0, 0
	for _, s := range c.servers {
		if s == except {
			continue
		}
		mode, err := s.probe(ctx)
		if err != nil {
			answers = append(answers, err.Error())
			continue
		}
		answers = append(answers, string(mode))
		serving++
		if mode == ModeLeader {
			leaders++
			leader = s
		}
	}
	if leaders != 1 || serving <= len(c.servers)/2 {
		return nil, answers
	}
	return leader, answers
}

// Partition cuts the member with the given index off from all other members, as
// a network that drops everything would. Its clients still reach it. Members
// that are partitioned one after the other are alone each.
func (c *Cluster) Partition(member int) {
	_ = c.peers.each(
		func(w way) bool { return w.from == member || w.to == member },
		func(p *Proxy) error {
			p.Blackhole(Both)
			return nil
		})
}

// Heal ends all partitions. What was sent meanwhile arrives now, as far as its
// connection was not given up.
func (c *Cluster) Heal() error { return c.peers.each(everyWay, (*Proxy).Heal) }
