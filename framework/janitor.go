package framework

import (
	"context"
	"errors"
	"sync"
)

// task is a clean-up that outlives the call which began it: a guaranteed delete, the search for an orphan.
type task struct {
	name  string
	epoch *epoch          // the only epoch in which it makes sense; nil means any
	after <-chan struct{} // closed when a call that was left behind has returned; nil if there is none
	run   func(ctx context.Context, e *epoch) error
}

// janitor runs tasks one after the other, in a goroutine that exists while there are any. They wait for a connection,
// and are given up only when their session is over, a server refuses them, or the client is closed.
type janitor struct {
	core *core
	ctx  context.Context
	stop context.CancelFunc

	mu      sync.Mutex
	queue   []task
	running bool
	idle    sync.WaitGroup
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
	j.queue = append(j.queue, t)
	if !j.running {
		j.running = true
		j.idle.Add(1)
		go j.work()
	}
}

// close gives up what is left and waits for the goroutine.
func (j *janitor) close() {
	j.mu.Lock()
	j.stop()
	j.mu.Unlock()
	j.idle.Wait()
}

func (j *janitor) next() (task, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.queue) == 0 || j.ctx.Err() != nil {
		for _, t := range j.queue {
			j.givenUp(t)
		}
		j.queue, j.running = nil, false
		return task{}, false
	}
	t := j.queue[0]
	j.queue = j.queue[1:]
	return t, true
}

func (j *janitor) work() {
	defer j.idle.Done()
	for {
		t, ok := j.next()
		if !ok {
			return
		}
		err := j.do(t)
		switch {
		case err == nil, errors.Is(err, ErrSessionLost):
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
	o := ops{core: j.core, fixed: t.epoch}
	pauses := sessionRetries.WithRand(j.core.random.float64).Start()
	for {
		e, err := o.await(j.ctx, j.core.quit)
		if err != nil {
			return err
		}
		err = t.run(j.ctx, e)
		if outcomeOf(err) == answered {
			return err
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
