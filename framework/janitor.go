package framework

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// task is a clean-up that outlives the call which began it: a guaranteed delete, the search for an orphan.
type task struct {
	name  string
	at    string          // the path that it is about
	size  int             // of its requests at the most, in bytes
	lists bool            // it reads the names of children
	after <-chan struct{} // closed when a call that was left behind has returned; nil if there is none
	run   func(ctx context.Context, e *epoch) error
}

// maxSweepers is how many tasks are under way at once. One after the other they would take several round trips each: a
// crowd of waiters that give up would keep their places in the queue of a lock for seconds, and nobody would hold it.
const maxSweepers = 32

// janitor runs tasks in the order in which they came, several at once, in goroutines that exist while there are any. They
// wait for a connection, and are given up only when a server refuses them or the client is closed. They go on when the
// session is lost: the servers may keep its ephemeral nodes for a while yet, and others wait for those to go.
// A task also waits for those before it that are about something below its path: a node goes after its children.
type janitor struct {
	core *core
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	waiting  []task
	dropped  []task   // without having been begun, when the client was closed
	underWay []string // paths
	sweepers int
	idle     sync.WaitGroup
}

func (j *janitor) init(c *core) {
	j.core = c
	j.ctx, j.stop = context.WithCancel(context.Background())
}

func (j *janitor) add(t task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx.Err() != nil {
		return // the session is being closed, which takes its ephemeral nodes along
	}
	j.waiting = append(j.waiting, t)
	if j.sweepers < maxSweepers {
		j.sweepers++
		j.idle.Add(1)
		go j.sweep()
	}
}

// close gives up what is left and waits for the goroutines.
func (j *janitor) close() {
	j.mu.Lock()
	j.stop()
	j.mu.Unlock()
	j.idle.Wait()
	for _, t := range j.dropped {
		j.givenUp(t)
	}
}

// next takes the first task that need not wait for others. Without one the sweeper ends: what a task waits for is under
// way, and whoever does that comes back here.
func (j *janitor) next() (task, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ctx.Err() != nil {
		j.dropped = append(j.dropped, j.waiting...)
		j.waiting = nil
	}
	for i, t := range j.waiting {
		if j.mustWait(t, j.waiting[:i]) {
			continue
		}
		j.waiting = slices.Delete(j.waiting, i, i+1)
		j.underWay = append(j.underWay, t.at)
		return t, true
	}
	j.sweepers--
	return task{}, false
}

// mustWait reports whether t is about a node above one that an earlier task is about.
func (j *janitor) mustWait(t task, earlier []task) bool {
	below := func(path string) bool { return strings.HasPrefix(path, t.at+"/") }
	return slices.ContainsFunc(j.underWay, below) ||
		slices.ContainsFunc(earlier, func(e task) bool { return below(e.at) })
}

// done notes that a task is over.
func (j *janitor) done(t task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	i := slices.Index(j.underWay, t.at)
	j.underWay = slices.Delete(j.underWay, i, i+1)
}

func (j *janitor) sweep() {
	defer j.idle.Done()
	for {
		t, ok := j.next()
		if !ok {
			return
		}
		err := j.do(t)
		j.done(t)
		switch {
		case err == nil:
		case isClosed(j.core.quit):
			j.givenUp(t)
		default:
			j.core.log.Warn("clean-up failed", "task", t.name, "error", err)
		}
	}
}

func (j *janitor) givenUp(t task) {
	j.core.log.Warn("clean-up given up because the client is closed", "task", t.name)
}

// do runs one task until its outcome is known.
func (j *janitor) do(t task) error {
	if t.after != nil {
		select {
		case <-t.after: // what was left behind has been sent or never will be
		case <-j.ctx.Done():
			return j.ctx.Err()
		}
	}
	o := ops{core: j.core}
	var strikes strikes
	pauses := sessionRetries.WithRand(j.core.random.float64).Start()
	for {
		e, err := o.await(j.ctx, j.core.quit)
		if err != nil {
			return err
		}
		strikes.begin(e, t.lists)
		if err = e.fit(j.ctx, t.size); err == nil {
			err = t.run(j.ctx, e)
		}
		if outcomeOf(err) == answered {
			return err
		}
		if out := strikes.out(e, 0, err); out != nil {
			return out
		}
		if err := pauses.Wait(j.ctx); err != nil {
			return err
		}
	}
}

// leftBehind is closed when the call that err says was left has returned. It is nil for other errors.
func leftBehind(err error) <-chan struct{} {
	var left *errCallEnded
	if errors.As(err, &left) {
		return left.done
	}
	return nil
}
