package sessionfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

// open opens the file unless it is a symbolic link, which another user might control.
func open(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is not a regular file")}
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

var (
	kernel       = syscall.NewLazyDLL("kernel32.dll")
	lockFileEx   = kernel.NewProc("LockFileEx")
	unlockFileEx = kernel.NewProc("UnlockFileEx")
)

const (
	failImmediately               = 1
	exclusive                     = 2
	lockViolation   syscall.Errno = 33
)

// lock locks one byte, 4 GiB after the beginning of the file, because locked bytes cannot be read.
func lock(f *os.File) error {
	at := syscall.Overlapped{OffsetHigh: 1}
	ok, _, err := lockFileEx.Call(f.Fd(), failImmediately|exclusive, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, lockViolation), errors.Is(err, syscall.ERROR_IO_PENDING):
		return ErrInUse
	}
	return lockFailed(err)
}

func unlock(f *os.File) {
	at := syscall.Overlapped{OffsetHigh: 1}
	_, _, _ = unlockFileEx.Call(f.Fd(), 0, 1, 0, uintptr(unsafe.Pointer(&at)))
}

// secure keeps the permissions that the file inherits from its directory.
func secure(*os.File, fs.FileInfo) error { return nil }

// identity is not known: a copy cannot be distinguished from the file.
func identity(fs.FileInfo) string { return "" }
