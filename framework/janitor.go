package framework

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
)

// task is a clean-up that outlives the call that began it: a guaranteed delete, or the search for a node whose create
// was abandoned.
type task struct {
	name    string
	at      []string        // the affected paths, at least one
	size    int             // upper bound for the size of its requests, in bytes
	guid    string          // of the nodes that a create may have made; empty if at names the nodes themselves
	in      *epoch          // the session whose end removes the nodes; nil if there is none
	begun   *errCallEnded   // its first attempt, which is still pending; nil if there is none
	after   <-chan struct{} // closed when another pending call has returned; nil if there is none
	run     func(ctx context.Context, e *epoch) error
	removal *removal // nil until the janitor has accepted the task
}

// maxSweepers is how many tasks run at once. One at a time, with several round trips each, a crowd of waiters that give
// up would stay in a lock's queue for seconds, during which nobody could hold the lock.
const maxSweepers = 32

// janitor runs tasks in order of arrival, several at once. Its goroutines exist only while there are tasks. Tasks wait
// for a connection, and end when they are done, when a server refuses them, or when the client is closed. A task that
// removes a node of the session is retried after a refusal, with growing pauses: see removal. Tasks continue after a
// lost session, because the servers may keep its ephemeral nodes for some time and others wait for their removal. A
// task also waits for earlier tasks below its path, since children must be removed first.
type janitor struct {
	core *core
	ctx  context.Context
	stop context.CancelFunc

	mu       sync.Mutex
	waiting  []task
	dropped  []task   // not started when the client was closed
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
		return // the session is being closed, which removes its ephemeral nodes
	}
	if t.removal == nil {
		t.removal = j.removals.enter(t)
	}
	j.enqueue(t)
}

// enqueue adds a task. The mutex is held.
func (j *janitor) enqueue(t task) {
	j.waiting = append(j.waiting, t)
	if j.sweepers < maxSweepers {
		j.sweepers++
		j.idle.Add(1)
		go j.sweep()
	}
}

// close drops the remaining tasks and waits for the goroutines.
func (j *janitor) close() {
	j.mu.Lock()
	j.stop()
	j.mu.Unlock()
	j.idle.Wait()
	for _, t := range j.dropped {
		j.givenUp(t)
	}
}

// next takes the first task that need not wait for others. If there is none, the goroutine ends: the tasks that others
// wait for are running, and their goroutines call next again.
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

// mustWait reports whether t is about a node above one of an earlier task.
func (j *janitor) mustWait(t task, earlier []task) bool {
	below := func(path string) bool {
		return slices.ContainsFunc(t.at, func(at string) bool { return strings.HasPrefix(path, at+"/") })
	}
	return slices.ContainsFunc(j.underWay, below) ||
		slices.ContainsFunc(earlier, func(e task) bool { return slices.ContainsFunc(e.at, below) })
}

// done removes a task from the running ones.
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

// begun waits for the pending first attempt, after which nothing of it is sent any more. It reports whether the task is
// complete or refused.
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
		return len(t.at) == 1, nil // if there are several, the others may exist
	case outcomeOf(err) != answered:
		return false, nil
	default:
		return true, err
	}
}

// leftBehind returns the channel that is closed when the pending call that err refers to has returned. It is nil for
// other errors.
func leftBehind(err error) <-chan struct{} {
	var left *errCallEnded
	if errors.As(err, &left) {
		return left.done
	}
	return nil
}
