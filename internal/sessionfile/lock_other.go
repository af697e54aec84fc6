//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package sessionfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// open always fails: the standard library has no lock for this system.
func open(path string) (*os.File, error) {
	return nil, &fs.PathError{Op: "lock", Path: path, Err: fmt.Errorf("files cannot be locked on %s: %w", runtime.GOOS, errors.ErrUnsupported)}
}

func lock(*os.File) error { return errors.ErrUnsupported }

func unlock(*os.File) {}

func secure(*os.File, fs.FileInfo) error { return nil }

func identity(fs.FileInfo) string { return "" }
