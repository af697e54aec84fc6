package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	Members   bool          // the endpoints are members of an ensemble
	Timeout   time.Duration // of sessions
	Tick      time.Duration
	Latency   time.Duration
	Sweep     time.Duration // how often empty containers are removed
	Length    time.Duration // how long faults may begin
	Faults    []Fault
	Roles     []string // names of roles, in the order of their parts
	Roots     []root   // of the clients

	w      *World
	parts  []part
	ctx    context.Context   // ends when nobody should need any longer
	late   context.Context   // ends when everything is at rest
	calm   chan struct{}     // closed when the faults have stopped
	users  sync.WaitGroup    // who end with ctx
	tail   sync.WaitGroup    // who end with late
	gates  []gate            // of the clients
	hands  []hands           // of the clients
	aside  []*bystander      // of the clients
	tuned  []map[string]bool // options of the clients
	listed []int             // clients whose list of servers changes
	lists  []serverList      // of the clients
	unwell bool              // clients may say that something is wrong although all is calm
	ended  time.Duration     // when the play was over, by its own clock

	mu       sync.Mutex
	failures []error
	options  map[string]bool // that were played
	target   pair            // what is played for certain, if it can be
	declared map[string]bool // options of the roles
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
		options: make(map[string]bool), target: pairOf(seed, roles...),
	}
	p.Tick = p.Timeout / time.Duration(4+r.IntN(20))
	p.Sweep = []time.Duration{time.Minute, p.Timeout, p.Timeout / 4}[r.IntN(3)]
	p.Length = p.Timeout * time.Duration(2+r.IntN(8))
	for range p.Clients {
		p.Roots = append(p.Roots, root(r.IntN(len(rootNames))))
	}
	if wanted := slices.Index(rootNames, p.target.option); wanted >= 0 {
		p.Roots[0] = root(wanted)
	}
	p.Roles = []string{p.target.role}
	if oneIn(r, 2) {
		p.Roles = append(p.Roles, cast[r.IntN(len(cast))].name)
	}
	if len(roles) > 0 {
		p.Roles = roles
	}
	p.declare()
	p.drawMembers(r)
	p.Faults = drawFaults(p, r)
	p.meet(p.target.kind, func(k faultKind) Fault {
		f := k.draw(p, r)
		f.Kind, f.At = k.name, time.Duration(r.Int64N(int64(p.Length)))
		return f
	})
	p.aloneSometimes(r)
	return p
}

// declare notes which options the roles have.
func (p *Play) declare() {
	p.declared = make(map[string]bool)
	for _, name := range p.Roles {
		for _, option := range slices.Concat(roleNamed(name).options, everywhere) {
			p.declared[name+" "+option] = true
		}
	}
}

// String tells the story.
func (p *Play) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %s, %d clients at %v, %d endpoints (members: %v), T %v, tick %v, latency %v",
		p.Seed, strings.Join(p.Roles, " and "), p.Clients, p.Roots, p.Endpoints, p.Members, p.Timeout, p.Tick, p.Latency)
	for _, f := range p.Faults {
		fmt.Fprintf(&b, "\n  %12v %s", f.At, f.Name)
	}
	return b.String()
}

func clientName(i int) string { return fmt.Sprint("client ", i) }

// Run plays the story and returns everything that must not be. It must be called in a bubble.
func (p *Play) Run(trace func(string)) error {
	w, err := NewWorld(zktest.Config{
		TickTime: p.Tick, Latency: p.Latency, Seed: p.Seed, Endpoints: p.Endpoints, ContainerCheckInterval: p.Sweep, Trace: trace,
		ReadOnlyMode: p.Members, SyncLimit: p.Timeout / syncPart,
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
	time.Sleep(p.Timeout) // for what ends in the background
	for _, b := range p.aside {
		b.rested(p)
	}
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
	p.lists, p.gates = make([]serverList, p.Clients), make([]gate, p.Clients) // ahead of the users, who read them
	p.hands = make([]hands, p.Clients)
	p.tuned = make([]map[string]bool, p.Clients)
	for i := range p.Clients {
		g, aside := &p.gates[i], &bystander{name: clientName(i), lines: lineCounter{gate: &p.hands[i].logger}}
		p.aside = append(p.aside, aside)
		cli, err := p.w.client(clientName(i), p.hands[i].slept, func(c *framework.Config) {
			c.SessionTimeout = p.Timeout
			c.Dialer = g.dialer(c.Dialer)
			c.Logger = slog.New(&aside.lines)
			p.lend(c, i)
			p.Roots[i].tune(c)
			p.tune(c, i)
		})
		if err == nil {
			cli, err = p.Roots[i].client(cli)
		}
		if err != nil {
			return err
		}
		p.bystand(cli, aside, i)
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
	if p.missesEvents() {
		return 24 * p.Timeout
	}
	return 10 * p.Timeout
}

// missesEvents reports whether there are events that never come although their link lives.
func (p *Play) missesEvents() bool {
	return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == missedEvents || f.Kind == deletedUnseen })
}

// unknowable reports whether a node went in a way that its owner cannot tell from its own delete when the answer to that is lost:
// somebody else deleted it, and no event came, or there was no connection. docs/guarantees.md names the case.
func (u *user) unknowable(life Life) bool {
	if !life.Forced || life.By != 0 {
		return false
	}
	return u.awaySince(life.Died) || slices.ContainsFunc(u.Faults, func(f Fault) bool { return f.Kind == deletedUnseen })
}

// rest waits until everybody has had what it wants, then ends everything, and looks at what is left.
func (p *Play) rest(cancel func()) {
	time.Sleep(p.patience())
	for _, part := range p.parts {
		part.settled()
	}
	for _, b := range p.aside {
		b.settled(p)
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

// mostFailures is how many failures a play keeps: the first ones say most.
const mostFailures = 12

func (p *Play) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) < mostFailures {
		p.failures = append(p.failures, fmt.Errorf("%v: %w", p.w.Now(), err))
	}
}

// judge collects what was found.
func (p *Play) judge() error {
	p.mu.Lock()
	errs := append([]error(nil), p.failures...)
	p.mu.Unlock()
	for _, part := range p.parts {
		errs = append(errs, part.judge())
	}
	for _, b := range p.aside {
		errs = append(errs, b.judge(p))
	}
	return errors.Join(errs...)
}

// played notes that an option, or a way of using a recipe, is part of the story.
func (p *Play) played(option string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.declared[option] {
		panic("sim: cast does not know the option " + option)
	}
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
