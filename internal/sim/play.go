package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Play is a story of several clients that share locks and an election while things go wrong, until they do not any more.
type Play struct {
	Seed      uint64
	Clients   int
	Locks     int
	Workers   int           // per client, on locks; one more stands in the election
	Endpoints int           // of the server
	Timeout   time.Duration // of sessions
	Tick      time.Duration
	Latency   time.Duration
	Length    time.Duration // how long faults may begin
	Faults    []Fault

	w       *World
	ctx     context.Context // ends when nobody should need any longer
	calm    chan struct{}   // closed when the faults have stopped
	ledgers map[string]*Ledger
	actors  sync.WaitGroup
	counter counter

	mu       sync.Mutex
	failures []error
	healing  sync.WaitGroup
}

// DrawPlay draws a story.
func DrawPlay(seed uint64) *Play {
	r := rand.New(rand.NewPCG(seed, 2))
	p := &Play{
		Seed: seed, Clients: 2 + r.IntN(4), Locks: 1 + r.IntN(2), Workers: 1 + r.IntN(2), Endpoints: 1 + r.IntN(3),
		Timeout: time.Duration(1+r.IntN(20)) * time.Second,
		Latency: time.Duration(50+r.IntN(3000)) * time.Microsecond,
	}
	p.Tick = p.Timeout / time.Duration(4+r.IntN(20))
	p.Length = p.Timeout * time.Duration(2+r.IntN(8))
	p.Faults = drawFaults(p, r)
	return p
}

// String tells the story.
func (p *Play) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d clients, %d locks, %d workers each, %d endpoints, T %v, tick %v, latency %v",
		p.Seed, p.Clients, p.Locks, p.Workers, p.Endpoints, p.Timeout, p.Tick, p.Latency)
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "\n  %12v %s", f.At, f.Name)
	}
	return b.String()
}

func clientName(i int) string { return fmt.Sprint("client ", i) }
func lockPath(i int) string   { return fmt.Sprint("/locks/", i) }

const electionPath = "/election"

// paths lists what is shared.
func (p *Play) paths() []string {
	list := []string{electionPath}
	for i := range p.Locks {
		list = append(list, lockPath(i))
	}
	return list
}

// Run plays the story and returns everything that must not be. It must be called in a bubble.
func (p *Play) Run(trace func(string)) error {
	w, err := NewWorld(zktest.Config{
		TickTime: p.Tick, Latency: p.Latency, Seed: p.Seed, Endpoints: p.Endpoints, Trace: trace,
	})
	if err != nil {
		return err
	}
	p.w, p.calm, p.ledgers = w, make(chan struct{}), make(map[string]*Ledger)
	var cancel context.CancelFunc
	p.ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	for _, path := range p.paths() {
		p.ledgers[path] = w.NewLedger(path)
	}
	err = p.counter.open(p)
	if err == nil {
		err = p.enter()
	}
	if err == nil {
		p.act(trace)
		p.rest(cancel)
	}
	cancel()
	p.actors.Wait()
	return errors.Join(err, p.judge(), w.Close())
}

// enter starts everybody.
func (p *Play) enter() error {
	for i := range p.Clients {
		cli, err := p.w.Client(clientName(i), func(c *framework.Config) { c.SessionTimeout = p.Timeout })
		if err != nil {
			return err
		}
		for j := range p.Workers {
			p.actors.Go(func() { newWorker(p, cli, i, j).work() })
		}
		p.actors.Go(func() { newPolitician(p, cli, i).work() })
	}
	return nil
}

// act lets the faults happen, and ends when all of them are healed.
func (p *Play) act(trace func(string)) {
	begin := time.Now()
	for _, f := range p.Faults {
		time.Sleep(time.Until(begin.Add(f.At)))
		if trace != nil {
			trace("FAULT " + f.Name)
		}
		f.do(p)
	}
	p.healing.Wait()
	if trace != nil {
		trace("CALM")
	}
	close(p.calm)
}

// healAfter ends a fault after d.
func (p *Play) healAfter(d time.Duration, heal func()) {
	p.healing.Add(1)
	time.AfterFunc(d, func() {
		heal()
		p.healing.Done()
	})
}

// patience is how many session timeouts everybody has to get what they want once the faults have stopped: one for what
// happened last to be noticed, one for dead sessions to end, and the rest for the queue.
const patience = 10

// rest waits until the workers are done and somebody leads, then lets the leaders go, and looks at what is left.
func (p *Play) rest(cancel func()) {
	time.Sleep(patience * p.Timeout)
	if n := p.ledgers[electionPath].Held(); n != 1 {
		p.fail(fmt.Errorf("%d lead %v after the last fault", n, patience*p.Timeout))
	}
	cancel() // leaders resign; a worker that is still waiting fails
	p.actors.Wait()
	time.Sleep(3 * p.Timeout)
	for _, path := range p.paths() {
		if left := p.w.Queue(path); len(left) > 0 {
			p.fail(fmt.Errorf("%s: nobody holds and these nodes are left: %v", path, left))
		}
	}
}

// excuse tells all ledgers that a node is being taken away by force.
func (p *Play) excuse(path string) {
	_, stat, err := p.w.Server.Get(path)
	if err != nil {
		return
	}
	for _, l := range p.ledgers {
		l.Excuse(stat.Czxid)
	}
}

func (p *Play) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, fmt.Errorf("%v: %w", p.w.Now(), err))
}

// judge collects what was found.
func (p *Play) judge() error {
	p.mu.Lock()
	errs := append([]error(nil), p.failures...)
	p.mu.Unlock()
	for _, path := range p.paths() {
		errs = append(errs, p.ledgers[path].Judge())
	}
	return errors.Join(append(errs, p.counter.judge())...)
}

// Grants counts what everybody got, to see that a story is not one of waiting.
func (p *Play) Grants() int {
	n := 0
	for _, l := range p.ledgers {
		n += len(l.Tenures())
	}
	return n
}
