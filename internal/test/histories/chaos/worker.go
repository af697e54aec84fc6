//go:build linux

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/histories"
)

// WorkerEnv makes a program that calls [BeWorker] a worker. Its value is a workerConfig.
const WorkerEnv = "DOCENT_CHAOS_WORKER"

// What the test process says to a worker, and what it answers, each on a line.
const (
	sayStep = "step"  // and a duration: its clock is stepped
	sayCalm = "calm"  // the faults are over: it answers recovered
	sayRest = "rest"  // it lets go of what it holds and answers rested
	sayEnd  = "end"   // it closes its client and ends
	isReady = "ready" // it has a session and begins

	isRecovered = "recovered" // every recipe has succeeded since then
	isRested    = "rested"
	isEnding    = "ending" // its client is closed
)

// workerConfig is what a worker is told when it begins.
type workerConfig struct {
	ID, Life  int
	Workers   int
	Connect   string
	Namespace string
	Journal   string
	Timeout   time.Duration // of its session
	Pace      time.Duration // mean pause between two rounds of a recipe
	Start     Nanos         // of the run
	Slice     time.Duration // how long one path is used
	Seed      uint64
}

// worker is a process that uses every recipe.
type worker struct {
	workerConfig
	cli     *framework.Client
	journal *Journal
	asleep  atomic.Int64 // nanoseconds by which its clock was stepped
	calm    atomic.Int64 // when the faults were over; 0 before
	say     sync.Mutex   // for standard output

	resting context.Context // ends when it is to let go
	rest    context.CancelFunc
	parts   []*part
}

// part is what one recipe does in a worker: rounds in one or several goroutines, and what stands from the first to the last of them.
type part struct {
	name    string
	actors  int
	open    func(ctx context.Context) error // makes what stands; nil for nothing
	round   func(ctx context.Context, a *actor) (success Nanos)
	rested  func() // notes what is kept, when no round goes on any more; nil for nothing
	success atomic.Int64
}

// actor is one of a part's goroutines.
type actor struct {
	*worker
	part   *part
	number int
	r      *rand.Rand
}

// BeWorker does what the environment says, and ends the process, if that is a worker. Call it first in main or TestMain.
func BeWorker() {
	text := os.Getenv(WorkerEnv)
	if text == "" {
		return
	}
	if err := runWorker(text); err != nil {
		fmt.Fprintln(os.Stderr, "chaos worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runWorker(text string) error {
	w := new(worker)
	if err := json.Unmarshal([]byte(text), &w.workerConfig); err != nil {
		return err
	}
	var err error
	if w.journal, err = OpenJournal(w.Journal, w.ID, w.Life); err != nil {
		return err
	}
	w.cli, err = startClient(framework.Config{
		ConnectString: w.Connect, Namespace: w.Namespace, SessionTimeout: w.Timeout, OperationTimeout: 4 * w.Timeout,
	}, func() time.Duration { return time.Duration(w.asleep.Load()) })
	if err != nil {
		return err
	}
	w.resting, w.rest = context.WithCancel(context.Background())
	w.parts = append(w.contests(), w.others()...)
	stopWatching := w.journal.watchStalls()
	commands := w.listen()
	acting := w.act()
	for command := range commands {
		if w.obey(command, acting) {
			break
		}
	}
	stopWatching()
	return errors.Join(w.cli.Close(), w.tell(isEnding), w.journal.Close())
}

// listen reads the commands. The channel is closed when the test process is gone.
func (w *worker) listen() <-chan string {
	commands := make(chan string)
	go func() {
		defer close(commands)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			commands <- lines.Text()
		}
	}()
	return commands
}

// obey reports whether the worker is to end.
func (w *worker) obey(command string, acting *sync.WaitGroup) (end bool) {
	word, rest, _ := strings.Cut(command, " ")
	switch word {
	case sayStep:
		n, _ := strconv.ParseInt(rest, 10, 64)
		w.asleep.Add(n)
	case sayCalm:
		w.calm.Store(int64(Now()))
	case sayRest:
		w.rest()
		acting.Wait()
		for _, p := range w.parts {
			if p.rested != nil {
				p.rested()
			}
		}
		_ = w.tell(isRested)
	case sayEnd:
		return true
	}
	return false
}

func (w *worker) tell(line string) error {
	w.say.Lock()
	defer w.say.Unlock()
	_, err := fmt.Println(line)
	return err
}

// act starts all actors, which go on until the worker rests.
func (w *worker) act() *sync.WaitGroup {
	acting := new(sync.WaitGroup)
	number := 0
	for _, p := range w.parts {
		opened := make(chan struct{})
		acting.Go(func() {
			defer close(opened)
			w.open(p)
		})
		for range p.actors {
			number++
			a := &actor{worker: w, part: p, number: number,
				r: rand.New(rand.NewPCG(w.Seed, uint64(w.ID)<<32|uint64(w.Life)<<16|uint64(number)))}
			acting.Go(func() {
				<-opened
				a.act()
			})
		}
	}
	acting.Go(w.welcome)
	acting.Go(w.reportRecovery)
	return acting
}

// welcome says that the worker has a session.
func (w *worker) welcome() {
	if w.cli.WaitConnected(w.resting) == nil {
		_ = w.tell(isReady)
	}
}

// open goes on until it succeeds.
func (w *worker) open(p *part) {
	for p.open != nil && w.resting.Err() == nil {
		err := p.open(w.resting)
		if err == nil {
			return
		}
		w.journal.Put(Record{Op: Failed, Role: p.name, To: Now(), Result: "open: " + err.Error()})
		histories.Wait(w.resting, w.Pace)
	}
}

func (a *actor) act() {
	for a.resting.Err() == nil {
		from := Now()
		ctx, cancel := a.patience()
		if at := a.part.round(ctx, a); at != 0 {
			a.succeeded(from, at)
		}
		cancel()
		histories.Wait(a.resting, a.upTo(2*a.Pace))
	}
}

// succeeded notes that a round which began at from did what it is for.
func (a *actor) succeeded(from, at Nanos) {
	a.put(Record{Op: Done, From: from, To: at})
	a.part.success.Store(int64(from))
}

// patience is a ctx that sometimes ends soon while there are faults.
func (a *actor) patience() (context.Context, context.CancelFunc) {
	if a.calm.Load() == 0 && a.oneIn(6) {
		return context.WithTimeout(a.resting, a.upTo(a.Timeout))
	}
	if a.calm.Load() == 0 {
		return context.WithTimeout(a.resting, 8*a.Timeout)
	}
	return context.WithCancel(a.resting)
}

// reportRecovery tells when every part has had a round that began after the faults and succeeded.
func (w *worker) reportRecovery() {
	for w.resting.Err() == nil {
		calm := w.calm.Load()
		recovered := calm != 0
		for _, p := range w.parts {
			recovered = recovered && p.success.Load() > calm
		}
		if recovered {
			_ = w.tell(isRecovered)
			return
		}
		histories.Wait(w.resting, 50*time.Millisecond)
	}
}

// put notes a record of this actor.
func (a *actor) put(r Record) {
	if r.Role == "" {
		r.Role = a.part.name
	}
	r.Actor = a.number
	a.journal.Put(r)
}

// fail notes why a round did not succeed. What ended because the worker rests is no failure.
func (a *actor) fail(what string, err error) (none Nanos) {
	if a.resting.Err() == nil {
		a.put(Record{Op: Failed, To: Now(), Result: what + ": " + err.Error()})
	}
	return 0
}

// violated notes what must not be.
func (a *actor) violated(format string, args ...any) {
	a.put(Record{Op: Violated, To: Now(), Result: fmt.Sprintf(format, args...)})
}

// slice is the number of the path that is used now.
func (w *worker) slice() int { return int(Since(w.Start) / w.Slice) }

func (a *actor) oneIn(n int) bool { return a.r.IntN(n) == 0 }

func (a *actor) upTo(d time.Duration) time.Duration { return time.Duration(a.r.Int64N(int64(d))) }

// stint is how long something is held: mostly briefly, sometimes for a good part of a session's timeout.
func (a *actor) stint() time.Duration {
	if a.calm.Load() == 0 && a.oneIn(12) {
		return a.upTo(a.Timeout)
	}
	return a.upTo(60 * time.Millisecond)
}
