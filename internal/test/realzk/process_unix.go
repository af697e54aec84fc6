//go:build unix && !linux

package realzk

import (
	"os/exec"
	"syscall"
)

// ownDeath does nothing: these systems cannot bind a child's life to its
// parent's. The child stays in the process group of the test instead, so that an
// interrupt from the terminal reaches both.
func ownDeath(*exec.Cmd) {}

func (p *process) pause() error { return p.signal(syscall.SIGSTOP) }

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }
