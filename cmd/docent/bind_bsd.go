//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import "syscall"

// bind does nothing: these systems cannot end a command together with the process that started it.
func bind(*syscall.SysProcAttr) {}

func stayOnThread() (leave func()) { return func() {} }
