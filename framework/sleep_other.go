//go:build !linux

package framework

import "time"

// asleepSoFar returns how long the machine has been suspended, as far as the clocks tell.
func asleepSoFar() time.Duration { return clockGap() }
