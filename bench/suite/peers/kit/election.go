package kit

import (
	"context"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Candidate campaigns in an election.
type Candidate interface {
	// Campaign waits until it leads.
	Campaign(ctx context.Context) error
	// Resign gives leadership up.
	Resign(ctx context.Context) error
}

// Election is a workload in which two candidates hand leadership to each other. A sample is the time from the call of Resign
// until the other's Campaign has returned.
type Election struct {
	Candidates [2]Candidate
	Queued     func(ctx context.Context) (int, error) // the number of candidates in the queue
	Done       func() error                           // closes the clients
	led        Exclusive
}

// Run implements Workload.
func (e *Election) Run(ctx context.Context, d time.Duration, _ line.Args) (line.Answer, error) {
	var answer line.Answer
	now, next := e.Candidates[0], e.Candidates[1]
	if err := e.lead(ctx, now); err != nil {
		return answer, err
	}
	cpu, begin := CPU(), time.Now()
	for answer.Ops == 0 || time.Since(begin) < d {
		took, err := e.change(ctx, now, next)
		if err != nil {
			return answer, err
		}
		answer.Ops++
		answer.SamplesUS = append(answer.SamplesUS, Micro(took))
		now, next = next, now
	}
	answer.ElapsedUS, answer.CPUUS = Micro(time.Since(begin)), Micro(CPU()-cpu)
	if err := e.led.Leave(); err != nil {
		return answer, err
	}
	if err := now.Resign(ctx); err != nil {
		return answer, err
	}
	return answer, e.led.Verify()
}

// Close implements Workload.
func (e *Election) Close() error { return e.Done() }

func (e *Election) lead(ctx context.Context, c Candidate) error {
	if err := c.Campaign(ctx); err != nil {
		return err
	}
	return e.led.Enter()
}

// change hands leadership on once the other candidate is in the queue.
func (e *Election) change(ctx context.Context, now, next Candidate) (time.Duration, error) {
	type result struct {
		at  time.Time
		err error
	}
	elected := make(chan result, 1)
	go func() {
		err := next.Campaign(ctx)
		elected <- result{time.Now(), err}
	}()
	if err := e.awaitQueue(ctx, 2); err != nil {
		return 0, err
	}
	if err := e.led.Leave(); err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := now.Resign(ctx); err != nil {
		return 0, err
	}
	r := <-elected
	if r.err != nil {
		return 0, r.err
	}
	return r.at.Sub(begin), e.led.Enter()
}

// settle is the time that a candidate has for its watch after its node was seen.
const settle = 2 * time.Millisecond

// awaitQueue polls until the queue has n candidates, and gives them time to set their watches.
func (e *Election) awaitQueue(ctx context.Context, n int) error {
	return Until(ctx, func() (bool, error) {
		queued, err := e.Queued(ctx)
		return queued == n, err
	})
}

// Until polls until the condition holds. It waits for a moment more, so that a contender that has just queued can set its watch.
func Until(ctx context.Context, holds func() (bool, error)) error {
	poll := time.NewTicker(settle)
	defer poll.Stop()
	for {
		done, err := holds()
		if err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if done {
			return nil
		}
	}
}
