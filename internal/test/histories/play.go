package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Mutant is a client that is broken on purpose. The zero value is docent as it is.
type Mutant int

// The mutants.
const (
	Sound         Mutant = iota
	Deaf                 // a holder ignores its context
	Unguarded            // a holder writes without the guard, and so does a former one
	OwnTokens            // tokens count one client's acquisitions
	OnePermitMore        // one client believes in a higher limit
	Repeating            // a counter repeats what may have been applied
	Believing            // a counter takes an unknown outcome for a failure
)

// Play is what all plays have in common: actors, several on each client, who do something again and again while there is
// trouble, and each once more when there is none.
type Play struct {
	Ground  Ground
	Seed    uint64
	Timeout time.Duration // of the clients' sessions
	Length  time.Duration // within which faults begin
	Trouble Trouble       // drawn from the seed if nil
	Rounds  int           // that an actor plays at most. Defaults to 20
	Late    int           // how often a connection may break although the trouble is over
	Mutant  Mutant
	History *Recorder // what they did

	ctx  context.Context
	calm context.Context // ends when the trouble has

	complaints *complaints
}

// complaints are what must not be and what no history shows.
type complaints struct {
	mu   sync.Mutex
	list []error
}

// actor is one of them.
type actor struct {
	*Play
	number int
	client int
	cli    *framework.Client
	r      *rand.Rand
}

// actorsPerClient shows that goroutines of one client are no different.
const actorsPerClient = 2

// patience is how many session timeouts everybody has when the trouble is over: one for what happened last to be noticed, one
// for dead sessions to end, and the rest for the queue.
const patience = 20

// perform lets the actors act. round is called for each again and again, then last. killing notes that a session is about to
// be ended.
func (p *Play) perform(round, last func(a *actor), killing func(client int) *Call) error {
	clients := p.Ground.Clients()
	if p.Trouble == nil {
		p.Trouble = DrawTrouble(p.Seed, len(clients), p.Timeout, p.Length)
	}
	if p.Rounds == 0 {
		p.Rounds = 20
	}
	p.complaints = new(complaints)
	var end, becalm context.CancelFunc
	p.ctx, end = context.WithCancel(context.Background())
	defer end()
	p.calm, becalm = context.WithCancel(p.ctx)
	var actors sync.WaitGroup
	for i, cli := range clients {
		for j := range actorsPerClient {
			number := i*actorsPerClient + j
			a := &actor{Play: p, number: number, client: i, cli: cli, r: rand.New(rand.NewPCG(p.Seed, uint64(100+number)))}
			actors.Go(func() { a.act(round, last) })
		}
	}
	p.Trouble.run(p.ctx, p.Ground, killing)
	Wait(p.ctx, p.Timeout) // what is broken is noticed
	becalm()
	limit := time.AfterFunc(patience*p.Timeout, end)
	defer limit.Stop()
	actors.Wait()
	return errors.Join(p.complaints.list...)
}

func (a *actor) act(round, last func(a *actor)) {
	for n := 0; n < a.Rounds && a.calm.Err() == nil; n++ {
		round(a)
		a.pause()
	}
	<-a.calm.Done()
	last(a)
}

// pause ends at any moment, or at one at which others go on, too.
func (a *actor) pause() {
	beat := a.Length / time.Duration(a.Rounds)
	if a.oneIn(2) {
		Wait(a.calm, a.upTo(beat))
		return
	}
	Wait(a.calm, beat-time.Since(a.History.start)%beat)
}

// errCalm says that something went wrong although there was no trouble any more.
var errCalm = errors.New("although all is calm")

// fail notes a complaint.
func (p *Play) fail(format string, args ...any) {
	p.complaints.mu.Lock()
	defer p.complaints.mu.Unlock()
	p.complaints.list = append(p.complaints.list, fmt.Errorf(format, args...))
}

func (a *actor) String() string { return fmt.Sprintf("actor %d of client %d", a.number, a.client) }

// upTo draws a duration.
func (a *actor) upTo(d time.Duration) time.Duration { return time.Duration(a.r.Int64N(int64(d))) }

// oneIn draws yes in one case of n.
func (a *actor) oneIn(n int) bool { return a.r.IntN(n) == 0 }

// impatient is a ctx that sometimes ends soon.
func (a *actor) impatient() (context.Context, context.CancelFunc) {
	if a.oneIn(4) {
		return context.WithTimeout(a.ctx, a.upTo(a.Timeout/2))
	}
	return context.WithTimeout(a.ctx, 4*a.Timeout)
}

// stint is how long somebody holds: briefly, or for longer than sessions last.
func (a *actor) stint() time.Duration {
	if a.oneIn(4) {
		return a.upTo(2 * a.Timeout)
	}
	return a.upTo(50 * time.Millisecond)
}
