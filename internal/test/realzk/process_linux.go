package realzk

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ownDeath makes the kernel kill the process with its parent, and puts it into a
// process group of its own, so that an interrupt from the terminal ends the test
// and not first the servers under it.
func ownDeath(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// pause stops the process and returns when each of its threads stands still: a
// signal is only a request, and a thread in the middle of a write completes it.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	deadline := time.NewTimer(stopLimit)
	defer deadline.Stop()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !p.standsStill() {
		select {
		case <-poll.C:
		case <-p.exited:
			return fmt.Errorf("realzk: process %d ended while it was being paused", p.cmd.Process.Pid)
		case <-deadline.C:
			return fmt.Errorf("realzk: process %d was not paused within %v", p.cmd.Process.Pid, stopLimit)
		}
	}
	return nil
}

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }

// standsStill reports whether the kernel shows all threads as stopped.
func (p *process) standsStill() bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		// The state follows the name, which is in brackets and may hold any byte.
		rest := stat[bytes.LastIndexByte(stat, ')')+1:]
		if !bytes.HasPrefix(rest, []byte(" T")) {
			return false
		}
	}
	return len(stats) > 0
}
