package sim

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// World is a server on a network in memory and the clients that use it. It is made and closed inside one synctest bubble,
// whose clock everything in it follows.
type World struct {
	Server  *zktest.Server
	Cluster *zktest.Cluster // nil if the server has one state behind all of its endpoints
	Log     *Log

	seed     uint64
	start    time.Time
	clients  []*framework.Client
	watchdog *time.Timer
}

// Patience is how long a world may last, by its own clock. The pings of live clients keep a bubble's clock running for
// ever, so that a run in which somebody waits for nothing would never end by itself.
const Patience = 24 * time.Hour

// NewWorld starts a server, which is an ensemble of three if cfg.ReadOnlyMode is set. cfg.Seed determines everything that is random in the world.
func NewWorld(cfg zktest.Config) (*World, error) {
	w := &World{seed: cfg.Seed, start: time.Now()}
	w.Log = newLog(w.start)
	cfg.Log = w.Log.note
	if err := w.startServer(cfg); err != nil {
		return nil, err
	}
	w.watchdog = time.AfterFunc(Patience, func() {
		panic(fmt.Sprintf("sim: seed %d has not ended after %v of its own time", cfg.Seed, Patience))
	})
	return w, nil
}

// Client starts a client whose connections come from the host with that name, so that faults can be aimed at it. tune, if
// it is not nil, changes the configuration.
func (w *World) Client(name string, tune func(*framework.Config)) (*framework.Client, error) {
	return w.client(name, nil, tune)
}

// client is Client on a machine that has slept for as long as slept says, if that is not nil.
func (w *World) client(name string, slept func() time.Duration, tune func(*framework.Config)) (*framework.Client, error) {
	cli, err := w.unkept(name, slept, tune)
	if err == nil {
		w.clients = append(w.clients, cli)
	}
	return cli, err
}

// unkept is client, but the world does not close the client.
func (w *World) unkept(name string, slept func() time.Duration, tune func(*framework.Config)) (*framework.Client, error) {
	cfg := framework.Config{
		ConnectString: w.Server.ConnectString(),
		Dialer:        w.Server.Client(name).Dial,
		Random:        w.Random(name),
	}
	if tune != nil {
		tune(&cfg)
	}
	if slept == nil {
		return framework.New(cfg)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return startClient(cfg, slept)
}

// Random is a source of randomness of its own for whoever has that name. It depends on the seed and on nothing else.
func (w *World) Random(name string) io.Reader { return w.source(name) }

// Rand is Random as numbers.
func (w *World) Rand(name string) *rand.Rand { return rand.New(w.source(name)) }

func (w *World) source(name string) *rand.ChaCha8 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	var key [32]byte
	r := rand.New(rand.NewPCG(w.seed, h.Sum64()))
	for i := range key {
		key[i] = byte(r.Uint32())
	}
	return rand.NewChaCha8(key)
}

// Now is the time since the world began.
func (w *World) Now() time.Duration { return time.Since(w.start) }

// Close closes all clients and then the server.
func (w *World) Close() error {
	w.watchdog.Stop()
	var first error
	for _, cli := range slices.Backward(w.clients) {
		if err := cli.Close(); err != nil && first == nil {
			first = err
		}
	}
	if err := w.Server.Close(); err != nil && first == nil {
		first = err
	}
	return first
}

// Queue lists the children of a directory in the order of their creation; none if it does not exist.
func (w *World) Queue(dir string) []Entry {
	names, err := w.Server.Children(dir)
	if err != nil {
		return nil
	}
	var list []Entry
	for _, name := range names {
		path := framework.Join(dir, name)
		if _, stat, err := w.Server.Get(path); err == nil {
			list = append(list, Entry{Path: path, Session: stat.EphemeralOwner, Token: stat.Czxid})
		}
	}
	slices.SortFunc(list, func(a, b Entry) int { return int(a.Token - b.Token) })
	return list
}

// Entry is a node in a queue, as the server has it.
type Entry struct {
	Path    string
	Session int64
	Token   int64
}
