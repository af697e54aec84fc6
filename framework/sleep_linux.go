package framework

import (
	"syscall"
	"time"
	"unsafe"
)

// Linux's clocks, as in linux/time.h. They are read from the system even in a testing/synctest bubble, whose time says
// nothing about the machine.
const (
	clockMonotonic = 1 // stands still while the machine is suspended
	clockBoottime  = 7 // goes on
)

// asleepSoFar returns how long the machine has been suspended since it was started. Neither clock can be set.
func asleepSoFar() time.Duration { return asleepBy(clock) }

func asleepBy(read func(clock uintptr) (time.Duration, bool)) time.Duration {
	boot, ok := read(clockBoottime)
	monotonic, _ := read(clockMonotonic) // read second: if this thread is stopped in between, the difference is too small
	if !ok {
		return clockGap()
	}
	return boot - monotonic
}

// clock reads one of the system's clocks. It reports false if the system does not have it, as before Linux 2.6.39.
func clock(id uintptr) (time.Duration, bool) {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano()), errno == 0
}
