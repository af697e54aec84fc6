//go:build !linux

package framework

import "time"

// asleepSoFar is how long the machine has been asleep, as far as the clocks can tell.
func asleepSoFar() time.Duration { return clockGap() }
