package ground

import (
	"os/exec"
	"syscall"
)

// ownDeath makes the kernel kill the process with its parent, and keeps an interrupt from the terminal from it.
func ownDeath(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
