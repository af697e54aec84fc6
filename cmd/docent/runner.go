package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

func (h *holder) say(format string, args ...any) {
	fmt.Fprintf(h.stderr, "docent: %s\n", safe(fmt.Sprintf(format, args...)))
}

// run returns the exit code.
func (h *holder) run() int {
	if err := h.cmd(0).Err; err != nil { // before anything is waited for
		return h.cannotRun(err)
	}
	cfg, err := h.config()
	if err != nil {
		h.complain(err)
		return exitOwn
	}
	cli, err := framework.New(cfg)
	if err != nil {
		h.complain(err)
		return exitOwn
	}
	defer cli.Close() // all that it could say is that nothing is left to do
	for {
		held, err := h.await(cli)
		if err != nil {
			return h.notHeld(err)
		}
		code, sig := h.under(cli, held)
		switch {
		case code != exitLost || !h.again:
			return code
		case sig != nil: // it came while the command was being stopped
			return exitSignal + number(sig)
		}
		h.say("campaigning again")
	}
}

// cmd is the command, ready to be started.
func (h *holder) cmd(token int64) *exec.Cmd {
	cmd := exec.Command(h.argv[0], h.argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = h.stdin, h.stdout, h.stderr
	cmd.Env = append(os.Environ(), "DOCENT_PATH="+h.path, fmt.Sprintf("DOCENT_TOKEN=%d", token))
	return cmd
}

// under runs the command under a claim, and releases that. It returns the exit code, and the last signal that came while the
// command was being stopped.
func (h *holder) under(cli *framework.Client, held claim) (int, os.Signal) {
	code, sig := h.supervise(cli, h.cmd(held.token), held)
	ctx, cancel := context.WithTimeout(context.Background(), cli.State().Timeout)
	defer cancel()
	err := held.release(ctx)
	switch {
	case err == nil || code == exitLost:
	case errors.Is(err, framework.ErrReleasing):
		h.say("%s at %s is released, but its node may stay until the session ends: %v", h.what, h.path, err)
	default:
		h.say("%s at %s was lost when the command had just ended: %v", h.what, h.path, err)
	}
	return code, sig
}

// await waits for the claim, until --wait or a signal ends that.
func (h *holder) await(cli *framework.Client) (claim, error) {
	ctx, stop := h.waiting()
	held, err := h.bounded(ctx, cli)
	stop()
	var signal interrupted
	if errors.As(context.Cause(ctx), &signal) { // even if it has come together with the claim
		if err == nil {
			_ = held.release(context.Background()) // it is given back unused, if it was not lost
		}
		return claim{}, signal
	}
	return held, err
}

// waiting returns a context that a signal ends, until stop is called.
func (h *holder) waiting() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	listening, enough := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(listening)
		select {
		case sig := <-h.signals:
			cancel(interrupted{sig})
		case <-enough:
		}
	}()
	return ctx, func() {
		close(enough)
		<-listening
		cancel(nil)
	}
}

// bounded acquires the claim within --wait, and says if there is no connection for long.
func (h *holder) bounded(ctx context.Context, cli *framework.Client) (claim, error) {
	bound := h.wait
	if bound == 0 {
		bound = h.timeout // to find a server
	}
	if bound > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, bound)
		defer cancel()
	}
	late := time.AfterFunc(h.timeout, func() {
		if info := cli.Info(); info.Err != nil {
			h.say("there is no connection yet: %v", info.Err)
		}
	})
	defer late.Stop()
	return h.acquire(ctx, cli)
}

// notHeld is the exit code when there is no claim, for err.
func (h *holder) notHeld(err error) int {
	h.say("%v", err)
	var signal interrupted
	switch {
	case errors.As(err, &signal):
		return exitSignal + number(signal.Signal)
	case errors.Is(err, framework.ErrAuthFailed):
		return exitOwn
	case errors.Is(err, lock.ErrLocked), errors.Is(err, context.DeadlineExceeded), errors.Is(err, framework.ErrNotConnected):
		return h.conflict
	}
	return exitOwn
}

// cannotRun is the exit code when the command cannot be started, for err.
func (h *holder) cannotRun(err error) int {
	h.say("%v", err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound
	}
	return exitNoRun
}

// supervise runs the command until it has ended, or until the claim has and the command was stopped.
func (h *holder) supervise(cli *framework.Client, cmd *exec.Cmd, held claim) (int, os.Signal) {
	p, err := start(cmd)
	if err != nil {
		return h.cannotRun(err), nil
	}
	defer p.release()
	ended := held.context()
	for {
		select {
		case <-p.ended:
			if ended.Err() != nil {
				return h.stop(ended, p, cli.State().Timeout)
			}
			return p.status(), nil
		case sig := <-h.signals:
			p.signal(sig)
		case <-ended.Done():
			return h.stop(ended, p, cli.State().Timeout)
		}
	}
}

// poll is how often docent looks whether a process group is empty.
const poll = 20 * time.Millisecond

// stop ends the command and everything in its group, because the claim was lost.
func (h *holder) stop(ended context.Context, p *process, timeout time.Duration) (int, os.Signal) {
	grace := h.killAfter
	if grace == 0 {
		grace = timeout / 5
	}
	h.say("%s at %s was lost, and the command is stopped: %v", h.what, h.path, context.Cause(ended))
	p.terminate()
	kill := time.NewTimer(grace)
	defer kill.Stop()
	look := time.NewTicker(poll)
	defer look.Stop()
	var last os.Signal
	for !p.gone() {
		select {
		case <-look.C:
		case sig := <-h.signals:
			last = sig
			p.signal(sig)
		case <-kill.C:
			p.kill()
			<-p.ended
			return exitLost, last
		}
	}
	return exitLost, last
}
