//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package main

import "syscall"

// bind does nothing: none of these systems ends a command together with whoever started it.
func bind(*syscall.SysProcAttr) {}

func stayOnThread() (leave func()) { return func() {} }
