package histories

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/sim"
	"github.com/docent-zk/docent/zktest"
)

// Ground is where a play takes place: clients, each with a network of its own to the servers, and what can happen to them.
type Ground interface {
	// Clients are always the same.
	Clients() []*framework.Client
	// Cut breaks a client's connection.
	Cut(client int)
	// Silence swallows a client's packets until it is healed.
	Silence(client int, way Way) (heal func())
	// Expire ends a client's session at the servers.
	Expire(ctx context.Context, client int) error
	// Disturb does something small that is particular to this ground, and not after stop.
	Disturb(r *rand.Rand) (stop func())
}

// Way says which packets are swallowed.
type Way int

// The ways of a silence.
const (
	BothWays Way = iota
	ToServer
	ToClient
	ways
)

// Simulated is a ground on zktest, in a bubble.
type Simulated struct {
	world   *sim.World
	clients []*framework.Client
}

// NewSimulated starts a server and clients, whose sessions have that timeout. It and all that is done with it must happen
// in one bubble.
func NewSimulated(seed uint64, clients int, timeout time.Duration, trace func(string)) (*Simulated, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	w, err := sim.NewWorld(zktest.Config{
		Seed: seed, TickTime: timeout / time.Duration(4+r.IntN(16)), Endpoints: 1 + r.IntN(2), Trace: trace,
		Latency: time.Duration(50+r.IntN(3000)) * time.Microsecond,
	})
	if err != nil {
		return nil, err
	}
	s := &Simulated{world: w}
	for i := range clients {
		cli, err := w.Client(clientName(i), func(c *framework.Config) { c.SessionTimeout, c.OperationTimeout = timeout, -1 })
		if err != nil {
			return nil, err
		}
		s.clients = append(s.clients, cli)
	}
	return s, nil
}

func clientName(i int) string { return fmt.Sprint("client ", i) }

// Server is for faults beyond those of a Ground.
func (s *Simulated) Server() *zktest.Server { return s.world.Server }

// World is for sim's own faults.
func (s *Simulated) World() *sim.World { return s.world }

// Close ends the clients and the server.
func (s *Simulated) Close() error { return s.world.Close() }

// Clients implements [Ground].
func (s *Simulated) Clients() []*framework.Client { return s.clients }

// Cut implements [Ground].
func (s *Simulated) Cut(client int) { s.world.Server.Cut(zktest.ClientConns(clientName(client))) }

// Silence implements [Ground].
func (s *Simulated) Silence(client int, way Way) (heal func()) {
	direction := map[Way]zktest.Direction{BothWays: zktest.Both, ToServer: zktest.ToServer, ToClient: zktest.ToClient}[way]
	return s.world.Server.Blackhole(zktest.ClientConns(clientName(client)), direction)
}

// Expire implements [Ground].
func (s *Simulated) Expire(_ context.Context, client int) error {
	s.world.Server.ExpireSession(s.clients[client].State().SessionID)
	return nil
}

// Disturb implements [Ground]: answers are lost, or a connection is cut at some frame.
func (s *Simulated) Disturb(r *rand.Rand) (stop func()) {
	if r.IntN(2) == 0 {
		ops := []zktest.Op{zktest.OpCreate2, zktest.OpDelete, zktest.OpMulti, zktest.OpMulti, zktest.OpSetData, zktest.OpGetData}
		return s.world.Server.LoseReply(ops[r.IntN(len(ops))], 1+r.IntN(2))
	}
	left, how := 1+r.IntN(30), []zktest.Verdict{zktest.Cut, zktest.CutAfter}[r.IntN(2)]
	return s.world.Server.OnFrame(func(zktest.Frame) zktest.Verdict {
		if left--; left == 0 {
			return how
		}
		return zktest.Pass
	})
}
