package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Play is a story of several clients that use recipes together while things go wrong, until they do not any more.
type Play struct {
	Seed      uint64
	Clients   int
	Endpoints int           // of the server
	Timeout   time.Duration // of sessions
	Tick      time.Duration
	Latency   time.Duration
	Length    time.Duration // how long faults may begin
	Faults    []Fault
	Roles     []string // names of roles, in the order of their parts
	Roots     []root   // of the clients

	w     *World
	parts []part
	ctx   context.Context // ends when nobody should need any longer
	late  context.Context // ends when everything is at rest
	calm  chan struct{}   // closed when the faults have stopped
	users sync.WaitGroup  // who end with ctx
	tail  sync.WaitGroup  // who end with late
	gates []*gate         // of the clients
	ended time.Duration   // when the play was over, by its own clock

	mu       sync.Mutex
	failures []error
	options  map[string]bool // that were played
	healing  sync.WaitGroup
}

// part is one recipe at play: what its users share, the users, and what must be true of them. A role draws it.
type part interface {
	// open prepares what is shared.
	open() error
	// join starts the users on a client. They end with the play's ctx.
	join(client int, cli *framework.Client) error
	// settled is called when the faults have been over for long, and everybody has had the time to get what it wants.
	settled()
	// rested is called when everybody has let go of everything, and that was noticed.
	rested()
	// judge returns everything that must not be.
	judge() error
	// grants counts what everybody got, to see that a story is not one of waiting.
	grants() int
}

// DrawPlay draws a story. Roles are drawn unless some are named.
func DrawPlay(seed uint64, roles ...string) *Play {
	r := rand.New(rand.NewPCG(seed, 2))
	p := &Play{
		Seed: seed, Clients: 2 + r.IntN(3), Endpoints: 1 + r.IntN(3),
		Timeout: time.Duration(1+r.IntN(20)) * time.Second,
		Latency: time.Duration(50+r.IntN(3000)) * time.Microsecond,
		options: make(map[string]bool),
	}
	p.Tick = p.Timeout / time.Duration(4+r.IntN(20))
	p.Length = p.Timeout * time.Duration(2+r.IntN(8))
	for range p.Clients {
		p.Roots = append(p.Roots, root(r.IntN(4)))
	}
	for range 1 + r.IntN(2) {
		p.Roles = append(p.Roles, cast[r.IntN(len(cast))].name)
	}
	if len(roles) > 0 {
		p.Roles = roles
	}
	p.Faults = drawFaults(p, r)
	return p
}

// String tells the story.
func (p *Play) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s, %d clients at %v, %d endpoints, T %v, tick %v, latency %v",
		p.Seed, strings.Join(p.Roles, " and "), p.Clients, p.Roots, p.Endpoints, p.Timeout, p.Tick, p.Latency)
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "\n  %12v %s", f.At, f.Name)
	}
	return b.String()
}

func clientName(i int) string { return fmt.Sprint("client ", i) }

// Run plays the story and returns everything that must not be. It must be called in a bubble.
func (p *Play) Run(trace func(string)) error {
	w, err := NewWorld(zktest.Config{
		TickTime: p.Tick, Latency: p.Latency, Seed: p.Seed, Endpoints: p.Endpoints, Trace: trace,
	})
	if err != nil {
		return err
	}
	p.w, p.calm = w, make(chan struct{})
	var cancel, finish context.CancelFunc
	p.ctx, cancel = context.WithCancel(context.Background())
	p.late, finish = context.WithCancel(context.Background())
	defer cancel()
	defer finish()
	err = p.open()
	if err == nil {
		p.act(trace)
		p.rest(cancel)
	}
	cancel()
	p.users.Wait()
	finish()
	p.tail.Wait()
	p.ended = w.Now()
	return errors.Join(err, p.judge(), w.Close())
}

// open prepares the parts and starts everybody.
func (p *Play) open() error {
	if _, err := p.w.Server.Create(rootPath, nil, zktest.Persistent); err != nil {
		return err
	}
	for i, name := range p.Roles {
		r := roleNamed(name)
		p.parts = append(p.parts, r.draw(&base{Play: p, role: name, path: fmt.Sprintf("%s/%d", rootPath, i), r: p.w.Rand(fmt.Sprint("part ", i))}))
	}
	for _, part := range p.parts {
		if err := part.open(); err != nil {
			return err
		}
	}
	for i := range p.Clients {
		g := &gate{}
		p.gates = append(p.gates, g)
		cli, err := p.w.Client(clientName(i), func(c *framework.Config) {
			c.SessionTimeout = p.Timeout
			c.Dialer = g.dialer(c.Dialer)
			p.Roots[i].tune(c)
		})
		if err != nil {
			return err
		}
		for _, part := range p.parts {
			if err := part.join(i, cli); err != nil {
				return err
			}
		}
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

// patience is how long everybody has to get what they want once the faults have stopped, in session timeouts: one for what
// happened last to be noticed, one for dead sessions to end, and the rest for the queue. A waiter that has missed an
// event looks again after twelve.
func (p *Play) patience() time.Duration {
	for _, f := range p.Faults {
		if f.Kind == missedEvents || f.Kind == deletedUnseen {
			return 24 * p.Timeout
		}
	}
	return 10 * p.Timeout
}

// unknowable reports whether a node went in a way that its owner cannot tell from its own delete when the answer to that is lost:
// somebody else deleted it, and no event came. docs/guarantees.md names the case.
func (p *Play) unknowable(life Life) bool {
	return life.Forced && life.By == 0 &&
		slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == deletedUnseen })
}

// rest waits until everybody has had what it wants, then ends everything, and looks at what is left.
func (p *Play) rest(cancel func()) {
	time.Sleep(p.patience())
	for _, part := range p.parts {
		part.settled()
	}
	cancel() // who still waits fails
	p.users.Wait()
	time.Sleep(3 * p.Timeout)
	for _, life := range p.w.Log.Ephemerals(rootPath) {
		p.fail(fmt.Errorf("nobody holds anything and %s is left, of session %#x", life.Path, life.Owner))
	}
	for _, part := range p.parts {
		part.rested()
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
	for _, part := range p.parts {
		errs = append(errs, part.judge())
	}
	return errors.Join(errs...)
}

// played notes that an option, or a way of using a recipe, is part of the story.
func (p *Play) played(option string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.options[option] = true
}

func (p *Play) isCalm() bool {
	select {
	case <-p.calm:
		return true
	default:
		return false
	}
}
