//go:build !linux

package realzk

import "testing"

// directConnections cannot tell here.
func directConnections(*testing.T, *Cluster) int { return 0 }
