//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package sessionfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// open opens the file without following a symbolic link, which another user might control, and without blocking on a
// pipe.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if info, lerr := os.Lstat(path); err != nil && lerr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("it is a symbolic link, which is not followed")}
	}
	return f, err
}

func lock(f *os.File) error {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrInUse
		default:
			return lockFailed(err)
		}
	}
}

func unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// secure removes the access of other users to the file.
func secure(f *os.File, info fs.FileInfo) error {
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to the user with the id %d, who could read the session's password in it; this process has the user id %d", st.Uid, os.Geteuid())
	}
	if private(info) {
		return nil
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !private(info) {
		err = fmt.Errorf("its mode is %v and cannot be changed, so that others could read the session's password in it", info.Mode())
	}
	return err
}

func private(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 == 0 }

// identity distinguishes the file from copies of it.
func identity(info fs.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return number(st.Ino)
	}
	return ""
}
