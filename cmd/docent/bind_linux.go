package main

import (
	"runtime"
	"syscall"
)

// bind has the kernel kill the command when the thread that started it ends, as it does when docent is killed.
func bind(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// stayOnThread keeps the goroutine on its thread until the result is called.
func stayOnThread() (leave func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
