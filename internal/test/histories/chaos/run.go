//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// Config says how a run goes.
type Config struct {
	For     time.Duration // of faults
	Seed    uint64
	Workers int
	Pace    time.Duration // mean pause between two rounds of one recipe in one goroutine
	Gap     time.Duration // mean pause between two faults of one lane
	Dir     string        // for the journals
	Logf    func(format string, args ...any)
}

const (
	// sessionTimeout is longer than the two seconds after which a server without contact to its leader sends its clients away.
	sessionTimeout = 5 * time.Second
	// trustMargin is the default of framework.Config.
	trustMargin = sessionTimeout / 4
	// slice is how long the recipes use one path. It bounds the histories that porcupine judges.
	slice = 10 * time.Second
	// patience is how long anything may take when no faults are left. It is not what anything takes.
	patience = 3 * time.Minute
	// root is the chroot, or the namespace, of the workers.
	root = "/chaos"
)

// servers is how many servers there are.
const servers = 3

// Run is one run.
type Run struct {
	Config
	cluster *realzk.Cluster
	keeper  *framework.Client              // of the test process, which goes to the servers without a proxy
	lanes   []*lane                        // of the workers
	always  *discovery.Registration[int64] // because of it a pick always succeeds
	begun   Nanos
	calm    Nanos // when the faults were over
	journal *Journal

	mu         sync.Mutex
	faults     []Fault
	files      []string
	complaints []string // of processes
}

// lane is what happens to one worker.
type lane struct {
	*Run
	id      int
	life    int
	proxies []*realzk.Proxy
	process *process
	r       *rand.Rand
}

// Perform runs everything and returns what was seen. The servers and the processes have ended with tb at the latest.
func Perform(ctx context.Context, tb realzk.TB, cfg Config) (*Outcome, error) {
	run := &Run{Config: cfg}
	run.cluster = realzk.Ensemble(tb, servers, realzk.Options{ContainerCheckInterval: 3 * time.Second})
	for id := range cfg.Workers {
		l := &lane{Run: run, id: id, r: rand.New(rand.NewPCG(cfg.Seed, uint64(1000+id)))}
		for _, s := range run.cluster.Servers() {
			l.proxies = append(l.proxies, realzk.NewProxy(tb, s.Addr()))
		}
		run.lanes = append(run.lanes, l)
	}
	defer run.killAll() // before the proxies end
	if err := run.prepare(ctx); err != nil {
		return nil, err
	}
	defer run.journal.Close()
	defer run.keeper.Close()
	if err := run.startAll(ctx); err != nil {
		return nil, err
	}
	stopWatching := run.journal.watchStalls()
	err := run.trouble(ctx)
	if err == nil {
		err = run.settle(ctx)
	}
	stopWatching()
	run.killAll()
	outcome, readErr := run.outcome(ctx, err == nil)
	return outcome, errors.Join(err, readErr)
}

// prepare makes the nodes that the workers count on.
func (run *Run) prepare(ctx context.Context) (err error) {
	file := filepath.Join(run.Dir, "driver")
	run.files = append(run.files, file)
	if run.journal, err = OpenJournal(file, -1, 0); err != nil {
		return err
	}
	run.keeper, err = framework.New(framework.Config{
		ConnectString: run.cluster.ConnectString(), SessionTimeout: time.Minute, OperationTimeout: patience, PersistentParents: true,
	})
	if err != nil {
		return err
	}
	paths := map[string][]byte{limitPath: {0, 0, 0, permits}, "/beacons": nil, "/registers": nil, "/group": nil, "/kept": nil}
	for id := range run.Workers {
		paths[fmt.Sprintf("/beacons/%d", id)] = []byte("0")
	}
	for n := range int((run.For+3*patience)/slice) + 1 { // the start and the end are not longer than patience each
		for _, role := range []string{roleMutex, roleRW, roleSemaphore, roleElection, roleMulti} {
			for _, path := range registers(role, n) {
				paths[path] = nil
			}
		}
	}
	for path, data := range paths {
		if _, err := run.keeper.Create(ctx, root+path, data, framework.Parents); err != nil && !errors.Is(err, framework.ErrNodeExists) {
			return err
		}
	}
	return run.registerAlways(ctx)
}

// registers are the paths of what the holders of a role write in a slice.
func registers(role string, slice int) []string {
	if role != roleMulti {
		return []string{register(object(role, slice))}
	}
	var paths []string
	for i := range multiPaths - 1 { // the first of two paths is never the last one
		paths = append(paths, register(fmt.Sprintf("%s-%d", object(role, slice), i)))
	}
	return paths
}

func (run *Run) startAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	run.begun = Now()
	for _, l := range run.lanes {
		if err := l.start(); err != nil {
			return err
		}
	}
	return run.everybody(func(l *lane) error { return l.process.await(ctx, isReady) })
}

// start starts the worker's next life.
func (l *lane) start() (err error) {
	l.life++
	file := filepath.Join(l.Dir, fmt.Sprintf("worker-%d-%d", l.id, l.life))
	l.mu.Lock()
	l.files = append(l.files, file)
	l.mu.Unlock()
	addrs := make([]string, len(l.proxies))
	for i, p := range l.proxies {
		addrs[i] = p.Addr()
	}
	cfg := workerConfig{
		ID: l.id, Life: l.life, Workers: l.Workers, Connect: strings.Join(addrs, ","), Journal: file,
		Timeout: sessionTimeout, Pace: l.Pace, Start: l.begun, Slice: slice, Seed: l.Seed,
	}
	if l.id%2 == 0 {
		cfg.Connect += root
	} else {
		cfg.Namespace = root
	}
	l.process, err = startProcess(cfg)
	return err
}

// everybody does something with all workers at once.
func (run *Run) everybody(do func(l *lane) error) error {
	errs := make([]error, len(run.lanes))
	var wg sync.WaitGroup
	for i, l := range run.lanes {
		wg.Go(func() {
			if err := do(l); err != nil {
				errs[i] = fmt.Errorf("worker %d: %w", l.id, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// killAll ends the workers that have not ended.
func (run *Run) killAll() {
	for _, l := range run.lanes {
		l.kill()
	}
}

// kill ends the process, if there is one. What a worker writes to standard error, as the race detector does, must not be.
func (l *lane) kill() {
	if l.process == nil {
		return
	}
	l.process.kill()
	if text := l.process.stderr.String(); text != "" {
		l.mu.Lock()
		l.complaints = append(l.complaints, fmt.Sprintf("worker %d.%d says:\n%s", l.id, l.life, text))
		l.mu.Unlock()
	}
	l.process = nil
}

// settle is what happens when the faults are over: everybody recovers, lets go, and ends.
func (run *Run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	run.calm = Now()
	for _, step := range []struct{ command, answer string }{{sayCalm, isRecovered}, {sayRest, isRested}} {
		err := run.everybody(func(l *lane) error {
			if err := l.process.tell(step.command); err != nil {
				return err
			}
			return l.process.await(ctx, step.answer)
		})
		if err != nil {
			return err
		}
	}
	run.Logf("everybody has recovered and rests %v after the last fault", Since(run.calm).Round(time.Millisecond))
	if err := run.awaitRest(ctx, false); err != nil {
		return err
	}
	err := run.everybody(func(l *lane) error {
		if err := l.process.tell(sayEnd); err != nil {
			return err
		}
		if err := l.process.await(ctx, isEnding); err != nil {
			return err
		}
		select {
		case <-l.process.exited:
			return l.process.result // what it says is among the complaints
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if err != nil {
		return err
	}
	return run.awaitRest(ctx, true)
}
