//go:build linux

package chaos

import (
	"syscall"
	"time"
	"unsafe"

	"github.com/docent-zk/docent/framework"
)

// Nanos is a reading of CLOCK_MONOTONIC, which all processes of a machine share.
type Nanos int64

// Now reads the clock from the system.
func Now() Nanos {
	const clockMonotonic = 1
	var ts syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	return Nanos(ts.Nano())
}

// Since is how long ago t was.
func Since(t Nanos) time.Duration { return Now().Sub(t) }

// Sub is how much later n is than o.
func (n Nanos) Sub(o Nanos) time.Duration { return time.Duration(n - o) }

// Add is the time that is later by d.
func (n Nanos) Add(d time.Duration) Nanos { return n + Nanos(d) }

// startClient is what framework.New calls, with a function that says how long the machine has been asleep. It is framework's own function: users have
// no use for it, and a step of this clock can be had in no other way.
//
//go:linkname startClient github.com/docent-zk/docent/framework.start
func startClient(cfg framework.Config, asleep func() time.Duration) (*framework.Client, error)
