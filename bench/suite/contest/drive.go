package contest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

// makeDirectory makes the seat's path.
func makeDirectory(_ context.Context, s *seat) error {
	if s.entrant.Peer == Etcd {
		return nil
	}
	return s.stage.make(s.path, nil)
}

// makeNode makes the node that is read.
func makeNode(ctx context.Context, s *seat) error {
	if s.entrant.Peer == Etcd {
		return s.fillEtcd(ctx, 0)
	}
	return s.stage.make(s.path, kit.Payload(0))
}

// makeTree makes the seat's tree and says how many nodes there are. A case with a loader gets it.
func makeTree(ctx context.Context, s *seat) error {
	nodes, err := s.tree(ctx)
	s.args["nodes"] = strconv.Itoa(nodes)
	if err != nil || s.load() == "" {
		return err
	}
	loader, err := s.stage.loader(ctx, s.entrant.Peer)
	if err != nil {
		return err
	}
	_, err = loader.Do(ctx, line.Command{Verb: line.Prepare, Workload: s.load(), Args: s.args})
	if err == nil {
		s.loader = loader
	}
	return err
}

// tree makes the seat's tree, unless it is one that is shared and was made for another seat.
func (s *seat) tree(ctx context.Context) (nodes int, err error) {
	n, key := s.args.Int("count", 0), s.path
	if s.entrant.Peer == Etcd {
		key = Etcd + ":" + key
	}
	if nodes, made := s.stage.trees[key]; made && s.cas.Shared {
		return nodes, nil
	}
	if s.entrant.Peer == Etcd {
		nodes, err = n, s.fillEtcd(ctx, n)
	} else {
		nodes, err = s.stage.tree(s.path, n)
	}
	if err == nil {
		s.stage.trees[key] = nodes
	}
	return nodes, err
}

// fillEtcd has etcd's loader make a tree of n nodes.
func (s *seat) fillEtcd(ctx context.Context, n int) error {
	loader, err := s.stage.loader(ctx, Etcd)
	if err != nil {
		return err
	}
	if _, err := loader.Do(ctx, line.Command{Verb: line.Prepare, Workload: "fill", Args: s.args}); err != nil {
		return err
	}
	_, err = loader.Do(ctx, line.Command{Verb: line.Run, Workload: "fill", Args: line.Args{"n": strconv.Itoa(n)}})
	_, endErr := loader.Do(ctx, line.Command{Verb: line.End, Workload: "fill"})
	return errors.Join(err, endErr)
}

// makeService makes n instances of a service.
func makeService(_ context.Context, s *seat) error {
	dir := s.path + "/" + serviceName
	s.args["service"] = serviceName
	if err := s.stage.make(dir, nil); err != nil {
		return err
	}
	return s.stage.fill(s.args.Int("n", 0), func(i int) string { return dir + "/" + strconv.Itoa(i) }, instancePayload)
}

// follow has the loader write nodes while the peer follows. The time ends when the peer has seen the last of them.
func follow(ctx context.Context, s *seat, _ time.Duration) (line.Answer, error) {
	writes := line.Args{"round": strconv.Itoa(s.stage.round()), "n": s.args["writes"]}
	type result struct {
		answer line.Answer
		err    error
	}
	followed := make(chan result, 1)
	begin := time.Now()
	go func() {
		var r result
		if s.child != nil {
			r.answer, r.err = s.run(ctx, 0, writes)
		}
		followed <- r
	}()
	loaded, err := s.loader.Do(ctx, line.Command{Verb: line.Run, Workload: s.load(), Args: writes})
	r := <-followed
	took := kit.Micro(time.Since(begin))
	if err := errors.Join(err, r.err); err != nil {
		return r.answer, err
	}
	if s.args["load"] == "create" {
		_, err = s.loader.Do(ctx, line.Command{Verb: line.Run, Workload: s.load(), Args: writes.With("step", "delete")})
	}
	return line.Answer{
		Ops: 1, ElapsedUS: took, SamplesUS: []float64{took}, CPUUS: r.answer.CPUUS,
		Values: map[string]float64{"loader_us": loaded.ElapsedUS},
	}, err
}

// comeBack ends the session of a peer that keeps nodes, and waits until all nodes exist again. The time begins when the client
// can reach the server again. Nodes are counted on the server, so that all peers are measured alike.
func comeBack(ctx context.Context, s *seat, _ time.Duration) (line.Answer, error) {
	before, err := s.run(ctx, 0, nil)
	if err != nil {
		return before, err
	}
	session, err := strconv.ParseInt(before.Text["session"], 10, 64)
	if err != nil {
		return before, fmt.Errorf("the session's id: %w", err)
	}
	n := s.args.Int("n", 0)
	if err := s.awaitChildren(ctx, n); err != nil {
		return before, err
	}
	s.relay.Hold()
	if err := s.stage.expire(ctx, session); err != nil {
		return before, err
	}
	if err := s.awaitChildren(ctx, 0); err != nil {
		return before, fmt.Errorf("the session was not the owner: %w", err)
	}
	begin := time.Now()
	s.relay.Release()
	if err := s.awaitChildren(ctx, -1); err != nil {
		return before, err
	}
	first := kit.Micro(time.Since(begin))
	if err := s.awaitChildren(ctx, n); err != nil {
		return before, err
	}
	all := kit.Micro(time.Since(begin))
	after, err := s.run(ctx, 0, nil)
	values := map[string]float64{"first_us": first, "rest_us": all - first}
	maps.Copy(values, after.Values)
	return line.Answer{Ops: 1, ElapsedUS: all, SamplesUS: []float64{all}, CPUUS: after.CPUUS - before.CPUUS, Values: values}, err
}

// lookEvery is the time between two looks at the server.
const lookEvery = time.Millisecond

// awaitChildren waits until the seat's path has n children, or any if n is negative.
func (s *seat) awaitChildren(ctx context.Context, n int) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		_, stat, err := s.stage.conn.Exists(s.path)
		if err != nil {
			return err
		}
		if now := int(stat.NumChildren); now == n || n < 0 && now > 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%s has %d children, and not %d: %w", s.path, stat.NumChildren, n, context.Cause(ctx))
		}
	}
}
