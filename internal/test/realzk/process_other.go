//go:build !unix

package realzk

import (
	"errors"
	"os/exec"
)

// ownDeath does nothing: there is no such request on this system.
func ownDeath(*exec.Cmd) {}

func (p *process) pause() error {
	return errors.New("realzk: this system cannot pause a process")
}

// resume has nothing to undo.
func (p *process) resume() error { return nil }
