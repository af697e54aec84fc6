//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// forwarded are the signals that end a docent that runs no other command, and that docent passes on to one that it runs.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}

// catchBrokenPipes makes a write to a pipe that nobody reads fail, in place of ending the process, so that the session is
// closed. The signal is caught and not ignored: what is ignored stays so in commands that docent runs.
func catchBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// number is a signal's number.
func number(sig os.Signal) int {
	if n, ok := sig.(syscall.Signal); ok {
		return int(n)
	}
	return 0
}

// isolate gives the command a process group, in the foreground of the terminal if docent has that.
func (p *process) isolate() {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.terminal != nil {
		p.cmd.SysProcAttr.Foreground = true
		p.cmd.SysProcAttr.Ctty = int(p.terminal.tty.Fd())
	}
	bind(p.cmd.SysProcAttr)
}

func (p *process) toGroup(sig syscall.Signal) error { return syscall.Kill(-p.cmd.Process.Pid, sig) }

// signal passes a signal on. A group that has gone does not need it.
func (p *process) signal(sig os.Signal) {
	if s, ok := sig.(syscall.Signal); ok {
		_ = p.toGroup(s)
	}
}

// terminate asks every process in the group to end, and wakes those that are stopped.
func (p *process) terminate() {
	_ = p.toGroup(syscall.SIGTERM)
	_ = p.toGroup(syscall.SIGCONT)
}

func (p *process) kill() { _ = p.toGroup(syscall.SIGKILL) }

// gone reports whether the command has ended and its group is empty.
func (p *process) gone() bool { return p.hasEnded() && errors.Is(p.toGroup(0), syscall.ESRCH) }

// status is the exit status of a command that has ended.
func (p *process) status() int {
	if w, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exitSignal + int(w.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

// terminal is the terminal that docent was in the foreground of.
type terminal struct{ tty *os.File }

// openTerminal returns nil if there is no terminal, or if another process group has it.
func openTerminal() *terminal {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	var group int32
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, tty.Fd(), syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&group)))
	if errno != 0 || int(group) != syscall.Getpgrp() {
		_ = tty.Close()
		return nil
	}
	// The command inherits that these signals are ignored. SIGTSTP would stop it while it holds the lock. SIGTTOU would stop
	// docent when it takes the terminal back from the background.
	signal.Ignore(syscall.SIGTSTP, syscall.SIGTTOU)
	return &terminal{tty: tty}
}

// reclaim puts docent's own group into the foreground again.
func (t *terminal) reclaim() {
	group := int32(syscall.Getpgrp())
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, t.tty.Fd(), syscall.TIOCSPGRP, uintptr(unsafe.Pointer(&group))) // it may have been hung up
	_ = t.tty.Close()
}
