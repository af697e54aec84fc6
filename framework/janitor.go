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
	name    string
	at      []string        // the paths that it is about, at least one
	size    int             // of its requests at the most, in bytes
	guid    string          // of the nodes that a create may have made there; "" if the paths are those of nodes
	in      *epoch          // the session that what it removes goes with; nil if it does not
	begun   *errCallEnded   // its first try, which was left behind; nil if there is none
	after   <-chan struct{} // closed when another call that was left behind has returned; nil if there is none
	run     func(ctx context.Context, e *epoch) error
	removal *removal // nil until the janitor has the task
}

// maxSweepers is how many tasks are under way at once. One after the other they would take several round trips each: a
// crowd of waiters that give up would keep their places in the queue of a lock for seconds, and nobody would hold it.
const maxSweepers = 32

// janitor runs tasks in the order in which they came, several at once, in goroutines that exist while there are any. They
// wait for a connection, and are given up only when a server refuses them or the client is closed. A task that removes what goes
// with a session is not even given up then, but tried again with growing pauses: see removal. Tasks go on when the
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
	removals removals
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
	if t.removal == nil {
		t.removal = j.removals.enter(t)
	}
	j.enqueue(t)
}

// enqueue has a task done. The mutex is held.
func (j *janitor) enqueue(t task) {
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
		j.underWay = append(j.underWay, t.at...)
		return t, true
	}
	j.sweepers--
	return task{}, false
}

// mustWait reports whether t is about a node above one that an earlier task is about.
func (j *janitor) mustWait(t task, earlier []task) bool {
	below := func(path string) bool {
		return slices.ContainsFunc(t.at, func(at string) bool { return strings.HasPrefix(path, at+"/") })
	}
	return slices.ContainsFunc(j.underWay, below) ||
		slices.ContainsFunc(earlier, func(e task) bool { return slices.ContainsFunc(e.at, below) })
}

// done notes that a task is not under way any more.
func (j *janitor) done(t task) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, at := range t.at {
		i := slices.Index(j.underWay, at)
		j.underWay = slices.Delete(j.underWay, i, i+1)
	}
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
			j.removals.leave(t)
		case isClosed(j.core.quit):
			j.givenUp(t)
		case t.in != nil && errors.Is(err, ErrNoAuth):
			j.refused(t, err)
		default:
			j.removals.leave(t)
			j.core.log.Warn("clean-up failed", "task", t.name, "error", err)
		}
	}
}

func (j *janitor) givenUp(t task) {
	j.core.log.Warn("clean-up given up because the client is closed", "task", t.name)
}

// do runs one task until its outcome is known.
func (j *janitor) do(t task) error {
	if over, err := j.begun(t); over {
		return err
	}
	o := ops{core: j.core}
	pauses := sessionRetries.WithRand(j.core.random.float64).Start()
	for {
		e, err := o.await(j.ctx, j.core.quit)
		if err != nil {
			return err
		}
		if err = e.fit(t.size); err == nil {
			err = t.run(j.ctx, e)
		}
		if outcomeOf(err) == answered || errors.Is(err, ErrReplyRefused) {
			return err
		}
		if err := pauses.Wait(j.ctx); err != nil {
			return err
		}
	}
}

// begun waits for what was left behind, which was sent by then or never will be. It reports whether that was all there was to
// do, or was refused.
func (j *janitor) begun(t task) (over bool, err error) {
	wait := t.after
	if t.begun != nil {
		wait = t.begun.done
	}
	if wait != nil {
		select {
		case <-wait:
		case <-j.ctx.Done():
			return true, j.ctx.Err()
		}
	}
	if t.begun == nil {
		return false, nil
	}
	switch err := t.begun.late(); {
	case errors.Is(err, ErrNoNode):
		return len(t.at) == 1, nil // of several, the others may be there
	case outcomeOf(err) != answered:
		return false, nil
	default:
		return true, err
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
