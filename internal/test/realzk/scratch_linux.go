package realzk

import (
	"io"
	"os"
	"syscall"
)

// lockOwner locks the file for this process, or fails if another one has it.
// The kernel lets go of the lock when the process ends, however it ends.
func lockOwner(path string) (io.Closer, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return file, nil
}
