//go:build !linux

package ground

import "os/exec"

// ownDeath does nothing: there is no such request on this system.
func ownDeath(*exec.Cmd) {}
