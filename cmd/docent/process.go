package main

import "os/exec"

// process is a command that was started, and its process group where there are such groups.
type process struct {
	cmd      *exec.Cmd
	ended    chan struct{} // closed when the command has ended; its group may outlive it
	terminal *terminal     // nil if the command has none
}

// start starts a command in a group of its own.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{}), terminal: openTerminal()}
	p.isolate()
	started := make(chan error)
	go func() {
		defer close(p.ended)
		defer stayOnThread()() // the thread that has started the command must live as long as it does: see bind
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its outcome is in cmd.ProcessState
		}
	}()
	if err := <-started; err != nil {
		p.release()
		return nil, err
	}
	return p, nil
}

// release gives the terminal back.
func (p *process) release() {
	if p.terminal != nil {
		p.terminal.reclaim()
	}
}

// hasEnded reports whether the command has ended.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
