package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// runner runs one command under one lock.
type runner struct {
	options
	stdin          io.Reader
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	started        func(*framework.Client) // if set, is called when the command runs
}

func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.stderr, "lockrun: %s\n", fmt.Sprintf(format, args...))
}

// run returns the exit status.
func (r *runner) run() int {
	cmd := exec.Command(r.command[0], r.command[1:]...)
	if cmd.Err != nil { // before the lock is waited for
		return r.cannotRun(cmd.Err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r.stdin, r.stdout, r.stderr
	cli, err := framework.New(framework.Config{ConnectString: r.zk, SessionTimeout: r.timeout})
	if err != nil {
		r.say("%v", err)
		return statusFailed
	}
	defer cli.Close() // all that it could say is that nothing is left to do
	held, token, err := r.acquire(cli)
	if err != nil {
		return r.notHeld(err)
	}
	cmd.Env = append(os.Environ(), "DOCENT_LOCK="+r.path, fmt.Sprintf("DOCENT_TOKEN=%d", token))
	status := r.supervise(cli, cmd, held)
	ctx, cancel := context.WithTimeout(context.Background(), cli.State().Timeout)
	defer cancel()
	if err := held.Unlock(ctx); err != nil && status != statusLost {
		r.say("%s was lost when the command had just ended: %v", r.path, err)
	}
	return status
}

// interrupted is the cause of a wait that a signal has ended.
type interrupted struct{ os.Signal }

func (i interrupted) Error() string { return "interrupted by " + i.String() }

// acquire waits for the lock, and returns it with its token.
func (r *runner) acquire(cli *framework.Client) (lock.Holding, int64, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	listening := make(chan struct{})
	enough := make(chan struct{})
	go func() {
		defer close(listening)
		select {
		case sig := <-r.signals:
			cancel(interrupted{sig})
		case <-enough:
		}
	}()
	held, token, err := r.lock(ctx, cli)
	close(enough)
	<-listening
	var signal interrupted
	if errors.As(context.Cause(ctx), &signal) { // also when it has come together with the lock
		if held != nil {
			_ = held.Unlock(context.Background()) // it is given back unused, if it was not lost
		}
		return nil, 0, signal
	}
	return held, token, err
}

// lock takes the mutex, or one permit of the semaphore.
func (r *runner) lock(ctx context.Context, cli *framework.Client) (lock.Holding, int64, error) {
	bound := r.wait
	if bound == 0 {
		bound = r.timeout // to find a server
	}
	if bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	var opts []lock.Option
	if r.hold {
		opts = append(opts, lock.Hold(0))
	}
	if r.permits > 0 {
		s := lock.NewSemaphore(cli, r.path, r.permits, opts...)
		acquire := s.Acquire
		if r.wait == 0 {
			acquire = s.TryAcquire
		}
		permit, err := acquire(ctx, 1)
		if err != nil {
			return nil, 0, err
		}
		return permit, permit.Tokens()[0], nil
	}
	m := lock.New(cli, r.path, opts...)
	acquire := m.Lock
	if r.wait == 0 {
		acquire = m.TryLock
	}
	held, err := acquire(ctx)
	if err != nil {
		return nil, 0, err
	}
	return held, held.Token(), nil
}

// notHeld is the status when there is no lock, for err.
func (r *runner) notHeld(err error) int {
	r.say("%v", err)
	var signal interrupted
	switch {
	case errors.As(err, &signal):
		return statusSignal + number(signal.Signal)
	case errors.Is(err, lock.ErrLocked), errors.Is(err, context.DeadlineExceeded), errors.Is(err, framework.ErrNotConnected):
		return r.conflict
	}
	return statusFailed
}

// cannotRun is the status when the command cannot be started, for err.
func (r *runner) cannotRun(err error) int {
	r.say("%v", err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return statusNotFound
	}
	return statusNoRun
}

// supervise runs the command until it has ended, or the lock has and the command was stopped.
func (r *runner) supervise(cli *framework.Client, cmd *exec.Cmd, held lock.Holding) int {
	p, err := start(cmd)
	if err != nil {
		return r.cannotRun(err)
	}
	defer p.release()
	if r.started != nil {
		r.started(cli)
	}
	for {
		select {
		case <-p.ended:
			if held.Context().Err() != nil {
				return r.stop(p, held, cli.State().Timeout)
			}
			return p.status()
		case sig := <-r.signals:
			p.signal(sig)
		case <-held.Context().Done():
			return r.stop(p, held, cli.State().Timeout)
		}
	}
}

// poll is how often it is looked whether a process group is empty.
const poll = 20 * time.Millisecond

// stop ends the command and everything in its group, because the lock was lost.
func (r *runner) stop(p *process, held lock.Holding, timeout time.Duration) int {
	grace := r.killAfter
	if grace == 0 {
		grace = timeout / 5
	}
	r.say("%s was lost, the command is stopped: %v", r.path, context.Cause(held.Context()))
	p.terminate()
	kill := time.NewTimer(grace)
	defer kill.Stop()
	look := time.NewTicker(poll)
	defer look.Stop()
	for !p.gone() {
		select {
		case <-look.C:
		case sig := <-r.signals:
			p.signal(sig)
		case <-kill.C:
			p.kill()
			<-p.ended
			return statusLost
		}
	}
	return statusLost
}
