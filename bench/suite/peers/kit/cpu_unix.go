//go:build unix

package kit

import (
	"syscall"
	"time"
)

// CPU is the time that processors have spent in this process so far, for the program and for its system calls.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
