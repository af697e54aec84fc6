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
	Kind string
	Name string
	do   func(p *Play)
}

// faultKind draws faults of one kind, for a play. Each fault ends by itself, before the play is calm.
type faultKind struct {
	name string
	odds int
	draw func(p *Play, r *rand.Rand) Fault

	members bool // only an ensemble has it
}

// missedEvents are events that never come although the link lives.
const missedEvents = "missed event"

// deletedUnseen is a node that somebody else deletes, and whose owner gets no event.
const deletedUnseen = "node deleted unseen"

var faultKinds []faultKind

func init() { // here, because the kinds draw a play that draws kinds
	faultKinds = []faultKind{
		{"cut", 2, cutFault, false}, {"cut all", 1, cutAllFault, false}, {"cut at a frame", 2, cutAnywhereFault, false},
		{"lost reply", 2, loseReplyFault, false}, {"expiry", 1, expireFault, false}, {"lost session", 1, loseSessionFault, false},
		{"silence", 2, silenceFault, false}, {"delay", 1, delayFault, false}, {"refused", 1, refuseFault, false}, {"restart", 1, restartFault, false},
		{"server paused", 1, pauseFault, false}, {"server stopped", 1, stopFault, false}, {"client paused", 1, pauseClientFault, false},
		{"node deleted", 1, deleteFault, false}, {missedEvents, 1, missEventFault, false}, {deletedUnseen, 1, deleteUnseenFault, false},
		{"silence one way", 1, deafLinkFault, false}, {"throttled", 1, throttleFault, false}, {oddCode, 1, oddCodeFault, false},
		{"slow handshake", 1, slowHandshakeFault, false}, {"refused handshake", 1, noHandshakeFault, false}, {"listener blocked", 1, deafFault, false},
		{"logger blocked", 1, muteFault, false}, {"exporter blocked", 1, exporterFault, false}, {"clock stepped", 1, clockFault, false},
		{plannedMove, 1, moveFault, false}, {changedList, 1, listFault, false},
		{memberLags, 2, lagFault, true}, {memberCut, 2, cutOffFault, true}, {leaderLost, 2, loseLeaderFault, true}, {quorumLost, 2, loseQuorumFault, true},
	}
}

func kindNumber(name string) int {
	return slices.IndexFunc(faultKinds, func(k faultKind) bool { return k.name == name })
}

// drawFaults draws a schedule. No two faults share an instant.
func drawFaults(p *Play, r *rand.Rand) []Fault {
	var kinds []faultKind
	for _, k := range faultKinds {
		for range k.odds {
			if !k.members || p.Members {
				kinds = append(kinds, k)
			}
		}
	}
	list := make([]Fault, 1+r.IntN(12))
	for i := range list {
		k := kinds[r.IntN(len(kinds))]
		list[i] = k.draw(p, r)
		list[i].Kind = k.name
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
				p.w.Log.Force(s.Ephemerals...)
				p.w.Server.ExpireSession(s.ID)
			}
		}
	}}
}

// loseSessionFault keeps a client away until its session has ended.
func loseSessionFault(p *Play, r *rand.Rand) Fault {
	name, d := p.client(r), p.Timeout+2*p.Tick+time.Duration(r.Int64N(int64(p.Timeout)))
	return Fault{Name: fmt.Sprintf("keep %s away for %v", name, d), do: func(p *Play) {
		p.healAfter(d, p.w.Server.Blackhole(zktest.ClientConns(name), zktest.Both))
	}}
}

// deleteFault removes an ephemeral node, behind everybody's back.
func deleteFault(_ *Play, r *rand.Rand) Fault {
	n := r.Int()
	return Fault{Name: fmt.Sprintf("delete node %d", n), do: func(p *Play) {
		list := p.w.Log.Ephemerals(rootPath)
		if len(list) == 0 {
			return
		}
		path := list[n%len(list)].Path
		p.w.Log.Force(path)
		_ = p.w.Server.Delete(path)
	}}
}

// deleteUnseenFault removes an ephemeral node, and its owner gets no event: until it looks again it takes itself for a holder, and
// only the servers can refuse what it writes.
func deleteUnseenFault(p *Play, r *rand.Rand) Fault {
	n := r.Int()
	return Fault{Name: fmt.Sprintf("delete node %d, unseen by its owner", n), do: func(p *Play) {
		list := p.w.Log.Ephemerals(rootPath)
		if len(list) == 0 {
			return
		}
		node := list[n%len(list)]
		p.healAfter(p.Timeout, p.w.Server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Event && f.Conn.Session == node.Owner && f.Path == node.Path {
				return zktest.Drop
			}
			return zktest.Pass
		}))
		p.w.Log.Force(node.Path)
		_ = p.w.Server.Delete(node.Path)
	}}
}

// pauseClientFault stops a client's reading and writing.
func pauseClientFault(p *Play, r *rand.Rand) Fault {
	i := r.IntN(p.Clients)
	return p.lasting(r, "pause "+clientName(i), func(p *Play) func() { return p.gates[i].shut() })
}

// missEventFault makes the next events to a client vanish, on a link that goes on.
func missEventFault(p *Play, r *rand.Rand) Fault {
	name, n := p.client(r), 1+r.IntN(2)
	return Fault{Name: fmt.Sprintf("%d events do not come to %s", n, name), do: func(p *Play) {
		left := n
		forget := p.w.Server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage != zktest.Event || f.Conn.Client != name || left <= 0 {
				return zktest.Pass
			}
			left--
			return zktest.Drop
		})
		p.healAfter(p.Timeout, forget)
	}}
}

func silenceFault(p *Play, r *rand.Rand) Fault {
	return silence(p, r, zktest.Both)
}

// deafLinkFault swallows what goes one way.
func deafLinkFault(p *Play, r *rand.Rand) Fault {
	return silence(p, r, []zktest.Direction{zktest.ToServer, zktest.ToClient}[r.IntN(2)])
}

func silence(p *Play, r *rand.Rand, way zktest.Direction) Fault {
	name := p.client(r)
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

// loseReplyFault commits a few requests and loses their answers: those to one operation, or all to one client, so that what it does to find out
// is lost as well.
func loseReplyFault(p *Play, r *rand.Rand) Fault {
	if r.IntN(3) == 0 {
		return loseRepliesFault(p.client(r), 2+r.IntN(5))
	}
	ops := []zktest.Op{zktest.OpCreate2, zktest.OpDelete, zktest.OpGetChildren2, zktest.OpGetData, zktest.OpSetData, zktest.OpMulti, zktest.OpConnect}
	op, n := ops[r.IntN(len(ops))], 1+r.IntN(3)
	return Fault{Name: fmt.Sprintf("lose %d replies to %v", n, op), do: func(p *Play) { p.healAfter(2*p.Timeout, p.w.Server.LoseReply(op, n)) }}
}

// loseRepliesFault loses the next answers to a client, whatever they are to.
func loseRepliesFault(name string, n int) Fault {
	return Fault{Name: fmt.Sprintf("lose %d replies to %s", n, name), do: func(p *Play) {
		left := n
		p.healAfter(2*p.Timeout, p.w.Server.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage != zktest.Reply || f.Conn.Client != name || f.Op == zktest.OpPing || f.Op == zktest.OpConnect || left <= 0 {
				return zktest.Pass
			}
			left--
			return zktest.Drop
		}))
	}}
}

// cutAnywhereFault cuts at the nth frame from now.
func cutAnywhereFault(_ *Play, r *rand.Rand) Fault {
	n := 1 + r.IntN(60)
	how := []zktest.Verdict{zktest.Cut, zktest.CutAfter}[r.IntN(2)]
	return Fault{Name: fmt.Sprintf("cut (%d) at frame %d from here", how, n), do: func(p *Play) {
		left := n
		p.healAfter(2*p.Timeout, p.w.Server.OnFrame(func(zktest.Frame) zktest.Verdict {
			if left--; left == 0 {
				return how
			}
			return zktest.Pass
		}))
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
