package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/docent-zk/docent/zktest"
)

// Fault is something that goes wrong at some time.
type Fault struct {
	At   time.Duration // since the faults began
	Name string
	do   func(p *Play)
}

// faultKinds draw faults of one kind each, for a play. What they begin, they end themselves, before the play's faults stop.
var faultKinds = []func(p *Play, r *rand.Rand) Fault{
	cutFault, cutFault, expireFault, silenceFault, silenceFault, silenceFault, delayFault, loseReplyFault, loseReplyFault,
	cutAnywhereFault, cutAnywhereFault, refuseFault, restartFault, pauseFault, stopFault, deleteFault, cutAllFault,
}

// drawFaults draws a schedule. No two faults share an instant.
func drawFaults(p *Play, r *rand.Rand) []Fault {
	list := make([]Fault, 1+r.IntN(12))
	for i := range list {
		list[i] = faultKinds[r.IntN(len(faultKinds))](p, r)
		list[i].At = time.Duration(r.Int64N(int64(p.Length)))
	}
	slices.SortFunc(list, func(a, b Fault) int { return int(a.At - b.At) })
	return list
}

// client draws a client by name.
func (p *Play) client(r *rand.Rand) string { return clientName(r.IntN(p.Clients)) }

// while draws how long a fault lasts: mostly about as long as sessions do, and often much less.
func (p *Play) while(r *rand.Rand) time.Duration {
	if r.IntN(3) == 0 {
		return time.Duration(r.Int64N(int64(p.Timeout / 20)))
	}
	return time.Duration(r.Int64N(int64(2 * p.Timeout)))
}

// lasting makes a fault of something that can be healed.
func (p *Play) lasting(r *rand.Rand, name string, begin func(p *Play) (heal func())) Fault {
	d := p.while(r)
	return Fault{Name: fmt.Sprintf("%s for %v", name, d), do: func(p *Play) { p.healAfter(d, begin(p)) }}
}

func cutFault(p *Play, r *rand.Rand) Fault {
	name := p.client(r)
	return Fault{Name: "cut " + name, do: func(p *Play) { p.w.Server.Cut(zktest.ClientConns(name)) }}
}

func cutAllFault(*Play, *rand.Rand) Fault {
	return Fault{Name: "cut all", do: func(p *Play) { p.w.Server.Cut(zktest.AllConns()) }}
}

// expireFault kills a session long before its time.
func expireFault(p *Play, r *rand.Rand) Fault {
	name := p.client(r)
	return Fault{Name: "expire " + name, do: func(p *Play) {
		for _, s := range p.w.Server.Sessions() {
			if s.Connected && s.Conn.Client == name {
				for _, path := range s.Ephemerals {
					p.excuse(path)
				}
				p.w.Server.ExpireSession(s.ID)
			}
		}
	}}
}

// deleteFault removes the first or last node of a queue, behind everybody's back.
func deleteFault(p *Play, r *rand.Rand) Fault {
	path, last := p.paths()[r.IntN(len(p.paths()))], r.IntN(2) == 0
	return Fault{Name: fmt.Sprintf("delete a node of %s, last: %v", path, last), do: func(p *Play) {
		queue := p.w.Queue(path)
		if len(queue) == 0 {
			return
		}
		entry := queue[0]
		if last {
			entry = queue[len(queue)-1]
		}
		p.excuse(entry.Path)
		_ = p.w.Server.Delete(entry.Path)
	}}
}

func silenceFault(p *Play, r *rand.Rand) Fault {
	name, way := p.client(r), zktest.Direction(r.IntN(3))
	return p.lasting(r, fmt.Sprintf("silence %s, direction %d", name, way), func(p *Play) func() {
		return p.w.Server.Blackhole(zktest.ClientConns(name), way)
	})
}

func delayFault(p *Play, r *rand.Rand) Fault {
	name, d := p.client(r), time.Duration(r.Int64N(int64(p.Timeout/4)))
	return p.lasting(r, fmt.Sprintf("delay %s by %v", name, d), func(p *Play) func() {
		return p.w.Server.Delay(zktest.ClientConns(name), d)
	})
}

// loseReplyFault commits a few requests and loses their answers.
func loseReplyFault(_ *Play, r *rand.Rand) Fault {
	ops := []zktest.Op{zktest.OpCreate2, zktest.OpDelete, zktest.OpGetChildren2, zktest.OpGetData, zktest.OpMulti, zktest.OpConnect}
	op, n := ops[r.IntN(len(ops))], 1+r.IntN(3)
	return Fault{Name: fmt.Sprintf("lose %d replies to %v", n, op), do: func(p *Play) { p.w.Server.LoseReply(op, n) }}
}

// cutAnywhereFault cuts at the nth frame from now.
func cutAnywhereFault(_ *Play, r *rand.Rand) Fault {
	n := 1 + r.IntN(60)
	how := []zktest.Verdict{zktest.Cut, zktest.CutAfter}[r.IntN(2)]
	return Fault{Name: fmt.Sprintf("cut (%d) at frame %d from here", how, n), do: func(p *Play) {
		left := n
		p.w.Server.OnFrame(func(zktest.Frame) zktest.Verdict {
			if left--; left == 0 {
				return how
			}
			return zktest.Pass
		})
	}}
}

func refuseFault(p *Play, r *rand.Rand) Fault {
	return p.lasting(r, "refuse", func(p *Play) func() {
		p.w.Server.Refuse()
		return func() { _ = p.w.Server.Accept() }
	})
}

func pauseFault(p *Play, r *rand.Rand) Fault {
	endpoints := p.endpoints(r)
	return p.lasting(r, fmt.Sprintf("pause %v", endpoints), func(p *Play) func() {
		p.w.Server.Pause(endpoints...)
		return func() { p.w.Server.Resume(endpoints...) }
	})
}

func stopFault(p *Play, r *rand.Rand) Fault {
	endpoints := p.endpoints(r)
	return p.lasting(r, fmt.Sprintf("stop %v", endpoints), func(p *Play) func() {
		p.w.Server.Stop(endpoints...)
		return func() { _ = p.w.Server.StartEndpoint(endpoints...) }
	})
}

// endpoints draws one or all (none named).
func (p *Play) endpoints(r *rand.Rand) []int {
	if i := r.IntN(p.Endpoints + 1); i < p.Endpoints {
		return []int{i}
	}
	return nil
}

func restartFault(*Play, *rand.Rand) Fault {
	return Fault{Name: "restart", do: func(p *Play) { _ = p.w.Server.Restart(zktest.KeepState) }}
}
