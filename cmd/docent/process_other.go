//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "os"

// forwarded are the signals that end docent, or the command that it runs.
var forwarded = []os.Signal{os.Interrupt}

// catchBrokenPipes does nothing: there is no SIGPIPE.
func catchBrokenPipes() {}

// number is the number of SIGINT: there are no other signals.
func number(os.Signal) int { return 2 }

// isolate does nothing: there are no process groups.
func (p *process) isolate() {}

// signal ends the command: it cannot be asked.
func (p *process) signal(os.Signal) { p.kill() }

func (p *process) terminate() { p.kill() }

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it has ended already otherwise
}

// gone reports whether the command has ended.
func (p *process) gone() bool { return p.hasEnded() }

// status is the exit status of a command that has ended.
func (p *process) status() int { return p.cmd.ProcessState.ExitCode() }

// terminal is not needed where there are no process groups.
type terminal struct{}

func openTerminal() *terminal { return nil }

func (t *terminal) reclaim() {}

func stayOnThread() (leave func()) { return func() {} }
