package contest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/docent-zk/docent/bench/suite/ground"
	"github.com/docent-zk/docent/bench/suite/line"
)

// seat is a peer in a case.
type seat struct {
	cas     *Case
	stage   *Stage
	entrant Entrant
	peer    *Peer
	child   *line.Child   // nil if the loader is alone
	loader  *line.Child   // nil unless the case has one
	relay   *ground.Relay // nil unless there is one
	args    line.Args
	path    string
	err     error // why it is out
}

// turnLimit bounds a turn, and everything else that a peer is asked to do.
const turnLimit = 2 * time.Minute

// take prepares a seat.
func take(ctx context.Context, stage *Stage, c *Case, e Entrant, peer *Peer) *seat {
	s := &seat{cas: c, stage: stage, entrant: e, peer: peer}
	if s.err = s.prepare(ctx); s.err != nil {
		s.leave(ctx)
	}
	return s
}

func (s *seat) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	target, err := s.stage.server(s.entrant.Peer)
	if err != nil {
		return err
	}
	if latency := s.stage.Condition.Latency; latency > 0 || s.cas.Relayed {
		if s.relay, err = ground.NewRelay(target, latency/2); err != nil {
			return err
		}
		target = s.relay.Addr()
	}
	s.path = s.node()
	s.args = line.Args{"servers": target, "path": s.path}
	maps.Copy(s.args, s.cas.Args)
	maps.Copy(s.args, s.entrant.Args)
	if s.cas.setup != nil {
		if err := s.cas.setup(ctx, s); err != nil {
			return err
		}
	}
	if s.peer == nil {
		return nil
	}
	child, err := s.peer.started(ctx)
	if err != nil {
		return err
	}
	if !s.peer.can(s.cas.Work) {
		return fmt.Errorf("it does not know %q", s.cas.Work)
	}
	s.child = child
	_, err = child.Do(ctx, line.Command{Verb: line.Prepare, Workload: s.cas.Work, Args: s.args})
	return s.judge(err)
}

// node is the path below which the peer works. A tree that is only read has the same path for all of its size.
func (s *seat) node() string {
	name := s.cas.ID + "-" + s.entrant.Peer
	if s.cas.Shared {
		name = "tree-" + s.cas.Args["count"]
	}
	return s.stage.Root + "/" + strings.ReplaceAll(name, " ", "-")
}

// run has the peer work.
func (s *seat) run(ctx context.Context, d time.Duration, more line.Args) (line.Answer, error) {
	args := maps.Clone(s.cas.Args)
	if args == nil {
		args = line.Args{}
	}
	maps.Copy(args, s.entrant.Args)
	maps.Copy(args, more)
	answer, err := s.child.Do(ctx, line.Command{Verb: line.Run, Workload: s.cas.Work, For: d, Args: args})
	return answer, s.judge(err)
}

// judge notes that a peer which does not answer is of no use for other cases either.
func (s *seat) judge(err error) error {
	if errors.Is(err, line.ErrEnded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		s.peer.lost()
		s.child = nil
	}
	return err
}

// turn takes one turn.
func (s *seat) turn(ctx context.Context, d time.Duration) (line.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	return s.cas.driver()(ctx, s, d)
}

// leave gives everything back.
func (s *seat) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), turnLimit)
	defer cancel()
	if s.child != nil {
		_, err := s.child.Do(ctx, line.Command{Verb: line.End, Workload: s.cas.Work})
		if s.judge(err) != nil && s.err == nil {
			s.err = err
		}
	}
	if s.loader != nil {
		_, _ = s.loader.Do(ctx, line.Command{Verb: line.End, Workload: s.load()})
	}
	if s.relay != nil {
		_ = s.relay.Close()
	}
	s.child, s.loader, s.relay = nil, nil, nil
}

// load is the workload of the loader for this seat; empty if the case has no loader.
func (s *seat) load() string {
	if s.args["load"] == "" {
		return ""
	}
	return s.args["load"] + "#" + s.entrant.Peer
}
