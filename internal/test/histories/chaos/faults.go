//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/docent-zk/docent/internal/test/histories"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// Fault is something that went wrong.
type Fault struct {
	Kind     string
	Worker   int   // whom it was made for; -1 for the servers
	From, To Nanos // the fault itself
	After    Nanos // from when recovery counts: From if the others can go on without what failed, To otherwise
}

// The kinds of faults.
const (
	rollingRestart      = "rolling restart"
	leaderKilled        = "leader killed"
	followerKilled      = "follower killed"
	leaderStopped       = "leader stopped"
	followerStopped     = "follower stopped"
	leaderPartitioned   = "leader cut off from its peers"
	followerPartitioned = "follower cut off from its peers"

	linksCut        = "links cut"
	linksSilent     = "links silent"
	linksToServer   = "links silent to the servers"
	linksToClient   = "links silent to the client"
	oneLinkSilent   = "link to one server silent"
	linksSlow       = "links slow"
	linksThrottled  = "links throttled"
	linksRefused    = "connections refused"
	clientStopped   = "client stopped"
	clientKilled    = "client killed"
	clockStepped    = "clock stepped forward"
	clockSteppedOff = "clock stepped back"
)

// serverKinds and workerKinds are the decks of the two sorts of lanes.
var (
	serverKinds = []string{
		rollingRestart, leaderKilled, followerKilled, leaderStopped, followerStopped, leaderPartitioned, followerPartitioned,
	}
	workerKinds = []string{
		linksCut, linksCut, linksSilent, linksToServer, linksToClient, oneLinkSilent, linksSlow, linksThrottled, linksRefused,
		clientStopped, clientStopped, clientStopped, clientKilled, clockStepped, clockSteppedOff,
	}
)

// deck deals all kinds before it deals one again.
type deck struct {
	kinds []string
	left  []string
	r     *rand.Rand
}

func (d *deck) next() string {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.kinds)
		d.r.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	kind := d.left[0]
	d.left = d.left[1:]
	return kind
}

// trouble makes faults for the time that was asked for, and returns when all of them are healed.
func (run *Run) trouble(ctx context.Context) error {
	until, cancel := context.WithTimeout(ctx, run.For)
	defer cancel()
	var wg sync.WaitGroup
	var serverErr, workerErr error
	wg.Go(func() { serverErr = run.troubleServers(ctx, until) })
	wg.Go(func() { workerErr = run.everybody(func(l *lane) error { return l.trouble(ctx, until) }) })
	wg.Wait()
	return errors.Join(serverErr, workerErr)
}

func (run *Run) note(f Fault) {
	run.mu.Lock()
	defer run.mu.Unlock()
	run.faults = append(run.faults, f)
}

// troubleServers makes one fault after the other. A fault is over when all servers serve again.
func (run *Run) troubleServers(ctx, until context.Context) error {
	r := rand.New(rand.NewPCG(run.Seed, 1))
	d := &deck{kinds: serverKinds, r: r}
	for {
		histories.Wait(until, upTo(r, run.Gap))
		if until.Err() != nil {
			return nil
		}
		kind, duration := d.next(), upTo(r, 3*sessionTimeout/2)
		if err := run.troubleServer(ctx, until, kind, duration, r.IntN(servers)); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

func (run *Run) troubleServer(ctx, until context.Context, kind string, d time.Duration, which int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leader, err := run.cluster.Leader(ctx)
	if err != nil {
		return err
	}
	all := run.cluster.Servers()
	lead := slices.Index(all, leader)
	follower := (lead + 1 + which%(servers-1)) % servers
	f := Fault{Kind: kind, Worker: -1, From: Now()}
	switch kind {
	case rollingRestart:
		err = run.restartAll(ctx, all)
	case leaderKilled:
		err = killed(until, leader, d/4)
	case followerKilled:
		err = killed(until, all[follower], d/4)
	case leaderStopped:
		err = paused(until, leader, d)
	case followerStopped:
		err = paused(until, all[follower], d)
	case leaderPartitioned, followerPartitioned:
		if kind == leaderPartitioned {
			follower = lead
		}
		run.cluster.Partition(follower)
		histories.Wait(until, d)
		err = run.cluster.Heal()
	}
	f.After, f.To = f.From, Now()
	run.note(f)
	if err != nil {
		return err
	}
	return run.cluster.WaitReady(ctx)
}

func (run *Run) restartAll(ctx context.Context, all []*realzk.Server) error {
	for _, s := range all {
		if err := errors.Join(s.Stop(), s.Start()); err != nil {
			return err
		}
		if err := run.cluster.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

func killed(until context.Context, s *realzk.Server, d time.Duration) error {
	if err := s.Kill(); err != nil {
		return err
	}
	histories.Wait(until, d)
	return s.Start()
}

func paused(until context.Context, s *realzk.Server, d time.Duration) error {
	if err := s.Pause(); err != nil {
		return err
	}
	histories.Wait(until, d)
	return s.Resume()
}

// trouble makes one fault after the other for one worker.
func (l *lane) trouble(ctx, until context.Context) error {
	d := &deck{kinds: workerKinds, r: l.r}
	for {
		histories.Wait(until, upTo(l.r, 2*l.Gap))
		if until.Err() != nil {
			return nil
		}
		if err := l.fault(ctx, until, d.next()); err != nil {
			return err
		}
	}
}

func (l *lane) fault(ctx, until context.Context, kind string) (err error) {
	duration := upTo(l.r, 3*sessionTimeout/2)
	if kind == clientStopped {
		duration += upTo(l.r, sessionTimeout)
	}
	f := Fault{Kind: kind, Worker: l.id, From: Now()}
	switch kind {
	case clientStopped:
		f.From, err = l.stop(ctx, until, duration)
	case clientKilled:
		f.From, err = l.restart(ctx)
	case clockStepped:
		err = l.process.tell(fmt.Sprint(sayStep, " ", int64(upTo(l.r, 2*sessionTimeout))))
	case clockSteppedOff:
		err = l.process.tell(fmt.Sprint(sayStep, " ", -int64(upTo(l.r, 2*sessionTimeout))))
	case linksCut:
		l.each((*realzk.Proxy).Cut)
	default:
		l.disturb(kind)
		histories.Wait(until, duration)
		for _, p := range l.proxies {
			err = errors.Join(err, p.Heal())
		}
	}
	f.To = Now()
	f.After = f.To
	l.note(f)
	return err
}

func (l *lane) each(do func(*realzk.Proxy)) {
	for _, p := range l.proxies {
		do(p)
	}
}

// disturb does what the proxies' Heal takes back.
func (l *lane) disturb(kind string) {
	one := l.proxies[l.r.IntN(len(l.proxies))]
	delay := upTo(l.r, sessionTimeout/10)
	switch kind {
	case linksSilent:
		l.each(func(p *realzk.Proxy) { p.Blackhole(realzk.Both) })
	case linksToServer:
		l.each(func(p *realzk.Proxy) { p.Blackhole(realzk.ToServer) })
	case linksToClient:
		l.each(func(p *realzk.Proxy) { p.Blackhole(realzk.ToClient) })
	case oneLinkSilent:
		one.Blackhole(realzk.Both)
	case linksSlow:
		l.each(func(p *realzk.Proxy) { p.Delay(delay) })
	case linksThrottled:
		l.each(func(p *realzk.Proxy) { p.Throttle(4 << 10) })
	case linksRefused:
		l.each(func(p *realzk.Proxy) {
			p.Refuse()
			p.Cut()
		})
	}
}

// stop stops the process and lets it go on. It returns when that began.
func (l *lane) stop(ctx, until context.Context, d time.Duration) (from Nanos, err error) {
	from = Now()
	if err := l.process.stop(ctx); err != nil {
		return from, err
	}
	histories.Wait(until, d)
	return from, l.process.signal(syscall.SIGCONT)
}

// restart kills the process and starts another one. It returns when the first one was alive for the last time, as far as is certain.
func (l *lane) restart(ctx context.Context) (from Nanos, err error) {
	from = Now()
	l.kill()
	if err := l.start(); err != nil {
		return from, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return from, l.process.await(ctx, isReady)
}
