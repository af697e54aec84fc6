//go:build !linux

package realzk

import (
	"io"
	"os"
)

// lockOwner succeeds for a new file only: without a lock that ends with its
// process nobody can tell a directory that is in use, and none is ever swept.
func lockOwner(path string) (io.Closer, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}
