package realzk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// stopLimit bounds how long a server may take to end after a signal.
const stopLimit = time.Minute

// process is one run of a server.
type process struct {
	cmd    *exec.Cmd
	begun  chan struct{} // closed once the process is there, or could not be started
	exited chan struct{} // closed once the process is gone
	result error         // why it could not be started, or how it ended; read after exited
}

func newProcess(cmd *exec.Cmd) *process {
	ownDeath(cmd)
	return &process{cmd: cmd, begun: make(chan struct{}), exited: make(chan struct{})}
}

// start starts the process. Its goroutine ends with it.
func (p *process) start() error {
	go p.run()
	<-p.begun
	if p.cmd.Process == nil {
		<-p.exited
		return fmt.Errorf("realzk: starting %s: %w", p.cmd.Path, p.result)
	}
	return nil
}

// run starts the process and waits for it on one and the same thread. The kernel
// kills the process when the thread that forked it ends, and Go may end a thread
// at any time unless a goroutine is locked to it.
func (p *process) run() {
	defer close(p.exited)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.result = p.cmd.Start()
	close(p.begun)
	if p.cmd.Process != nil {
		p.result = p.cmd.Wait()
	}
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// terminate asks the process to end, and kills it if it does not. A paused
// process is let go on first; it could not end otherwise.
func (p *process) terminate() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return errors.Join(err, p.kill())
	}
	if err := p.resume(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return errors.Join(err, p.kill())
	}
	if p.endsWithin(stopLimit) {
		return nil
	}
	return errors.Join(fmt.Errorf("realzk: process %d did not end within %v of SIGTERM", p.cmd.Process.Pid, stopLimit), p.kill())
}

// kill ends the process at once. It is no error if it has ended already.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if !p.endsWithin(stopLimit) {
		return fmt.Errorf("realzk: process %d did not end within %v of SIGKILL", p.cmd.Process.Pid, stopLimit)
	}
	return nil
}

// signal goes through the handle of os.Process, which never hits another process
// that got the same number later.
func (p *process) signal(sig os.Signal) error {
	<-p.begun
	if p.cmd.Process == nil {
		return os.ErrProcessDone
	}
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("realzk: signal %v to process %d: %w", sig, p.cmd.Process.Pid, err)
	}
	return nil
}

func (p *process) endsWithin(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}
