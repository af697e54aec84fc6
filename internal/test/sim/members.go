package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/docent-zk/docent/zktest"
)

// Kinds of fault that only an ensemble has.
const (
	memberLags  = "member lags"
	memberCut   = "member cut off"
	leaderLost  = "leader lost"
	quorumLost  = "quorum lost"
	memberCount = 3
)

// syncPart is the part of the session timeout after which members give each other up. It is no more than the trust margin of any
// client, so that a member that is cut off from its leader cannot keep a holder beyond the end of its session: see docs/guarantees.md.
const syncPart = 8

// drawMembers draws whether the server is an ensemble.
func (p *Play) drawMembers(r *rand.Rand) {
	p.Members = oneIn(r, 4) || p.target.option == "ReadOnly" || faultKinds[kindNumber(p.target.kind)].members
	if p.Members {
		p.Endpoints = memberCount
	}
}

// lagFault makes a member apply transactions late.
func lagFault(p *Play, r *rand.Rand) Fault {
	i, d := r.IntN(p.Endpoints), time.Duration(r.Int64N(int64(p.Timeout/8)))
	return p.lasting(r, fmt.Sprintf("member %d lags by %v", i, d), func(p *Play) func() { return p.w.Cluster.Lag(d, i) })
}

// cutOffFault separates a member from the others and not from its clients.
func cutOffFault(p *Play, r *rand.Rand) Fault {
	i := r.IntN(p.Endpoints)
	return p.lasting(r, fmt.Sprintf("cut off member %d", i), func(p *Play) func() { return p.w.Cluster.CutOff(i) })
}

// loseLeaderFault kills or stops the leader, often while followers lag.
func loseLeaderFault(p *Play, r *rand.Rand) Fault {
	kill, lag := oneIn(r, 2), time.Duration(r.Int64N(int64(p.Timeout/8)))
	if oneIn(r, 2) {
		lag = 0
	}
	return p.lasting(r, fmt.Sprintf("lose the leader (killed: %v), followers lag by %v", kill, lag), func(p *Play) func() {
		s, leader, catchUp := p.w.Server, p.w.Cluster.Leader(), p.w.Cluster.Lag(lag)
		switch {
		case leader < 0:
			return catchUp
		case kill:
			s.Stop(leader)
			return func() { catchUp(); _ = s.StartEndpoint(leader) }
		}
		s.Pause(leader)
		return func() { catchUp(); s.Resume(leader) }
	})
}

// loseQuorumFault kills all members but one, often for so long that clients lose their sessions and begin to read from the one that is left.
func loseQuorumFault(p *Play, r *rand.Rand) Fault {
	left, d := r.IntN(p.Endpoints), p.while(r)
	if oneIn(r, 2) {
		d = 2*p.Timeout + 4*time.Second
	}
	return Fault{Name: fmt.Sprintf("lose all members but %d for %v", left, d), do: func(p *Play) {
		others := []int{(left + 1) % p.Endpoints, (left + 2) % p.Endpoints}
		p.w.Server.Stop(others...)
		p.healAfter(d, func() { _ = p.w.Server.StartEndpoint(others...) })
	}}
}

// start starts the server of a world, or an ensemble.
func (w *World) startServer(cfg zktest.Config) (err error) {
	if !cfg.ReadOnlyMode {
		w.Server, err = zktest.StartMemory(cfg)
		return err
	}
	if w.Cluster, err = zktest.StartMemoryCluster(memberCount, cfg); err == nil {
		w.Server = w.Cluster.Server
	}
	return err
}
