package histories

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// real is a ground on the server that the tests of this package share, behind a proxy for each client.
type real struct {
	space   *realzk.Space
	proxies []*realzk.Proxy
	clients []*framework.Client
}

const realTimeout = 3 * time.Second

func newReal(t *testing.T) *real {
	t.Helper()
	g := &real{space: realzk.Shared(t)}
	for range clients {
		proxy := realzk.NewProxy(t, g.space.Addr())
		cli, err := framework.New(framework.Config{
			ConnectString: proxy.Addr() + g.space.Root(), SessionTimeout: realTimeout, OperationTimeout: -1,
		})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, cli.Close()) })
		g.proxies, g.clients = append(g.proxies, proxy), append(g.clients, cli)
	}
	return g
}

// Clients implements Ground.
func (g *real) Clients() []*framework.Client { return g.clients }

// Cut implements Ground.
func (g *real) Cut(client int) { g.proxies[client].Cut() }

// Silence implements Ground. Two at a time end with the first.
func (g *real) Silence(client int, way Way) (heal func()) {
	g.proxies[client].Blackhole(map[Way]realzk.Direction{
		BothWays: realzk.Both, ToServer: realzk.ToServer, ToClient: realzk.ToClient,
	}[way])
	return func() { _ = g.proxies[client].Heal() } // it refuses nobody, and so has nothing to listen on again
}

// Expire implements Ground.
func (g *real) Expire(ctx context.Context, client int) error {
	return g.space.ExpireSession(ctx, g.clients[client].State().SessionID)
}

// Disturb implements Ground: for a moment nothing comes back, and then the connections break. Answers that were under way
// are lost.
func (g *real) Disturb(r *rand.Rand) (stop func()) {
	proxy, d := g.proxies[r.IntN(len(g.proxies))], time.Duration(r.IntN(30))*time.Millisecond
	proxy.Blackhole(realzk.ToClient)
	Wait(context.Background(), d)
	proxy.Cut()
	_ = proxy.Heal()
	return func() {}
}

// realLength is how long there is trouble on real servers.
const realLength = 3 * realTimeout

// onReal plays one seed, or the one that was asked for, and judges it.
func onReal(t *testing.T, model porcupine.Model, run func(p Play) error, history func(*Recorder) []porcupine.Operation) {
	t.Parallel()
	seed := uint64(7) // which has a fault of each kind
	if *oneSeed != 0 {
		seed = *oneSeed
	}
	p := Play{
		Ground: newReal(t), Seed: seed, Timeout: realTimeout, Length: realLength, Rounds: 60, History: NewRecorder(),
		Trouble: DrawTrouble(seed, clients, realTimeout, realLength),
	}
	begin := time.Now()
	require.NoError(t, run(p), "%v", p.Trouble)
	played := time.Since(begin)
	require.NoError(t, Judge(model, history(p.History), fmt.Sprint(t.Name(), "-", seed)), "%v", p.Trouble)
	t.Logf("%+v in %v, judged in %v; %d faults", p.History.Tally(), played.Round(time.Millisecond),
		(time.Since(begin) - played).Round(time.Millisecond), len(p.Trouble))
}

func TestRealMutex(t *testing.T) {
	onReal(t, Locks, func(p Play) error { return (&LockPlay{Play: p}).Run() }, (*Recorder).History)
}

func TestRealRWMutex(t *testing.T) {
	onReal(t, Locks, func(p Play) error { return (&LockPlay{Play: p, ReadersWriters: true}).Run() }, (*Recorder).History)
}

func TestRealSemaphore(t *testing.T) {
	run := func(p Play) error { return (&PermitPlay{Play: p, Limit: 3, Shared: true}).Run() }
	onReal(t, Permits, run, func(r *Recorder) []porcupine.Operation { return Allow(r.History(), 3) })
}

func TestRealCounter(t *testing.T) {
	onReal(t, Counting(0, -1), func(p Play) error { return (&CountPlay{Play: p, Anew: true}).Run() }, (*Recorder).History)
}
