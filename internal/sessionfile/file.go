package sessionfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// Errors of Open.
var (
	// ErrInUse means that another client has locked the file.
	ErrInUse = errors.New("another client has locked it, in this process or in another running one")
	// ErrForeign means that the file contains something else.
	ErrForeign = errors.New("it does not hold a session, and is not overwritten")
)

// Errors of Read if there is no session to close.
var (
	// ErrEmpty means that the file does not contain a session.
	ErrEmpty = errors.New("it holds no session")
	// ErrDamaged means that the record in the file cannot be read.
	ErrDamaged = errors.New("its record is damaged, or of another version")
	// ErrElsewhere means that the record was not written to this file, or not since the machine was started.
	ErrElsewhere = errors.New("its record was written to another file, on another machine, or before this machine was restarted")
)

// Record is a session.
type Record struct {
	ID       int64
	Password []byte
	Timeout  time.Duration // as granted
}

// File is an open, locked file. It must not be used concurrently.
type File struct {
	f       *os.File
	content []byte // at the time of opening
	mark    mark
}

// mark identifies the file, and the boot of the machine, for which a record is valid.
type mark struct{ machine, file string }

// Open opens and locks the file. It creates the file if it does not exist, and never waits for the lock. Errors are
// [fs.PathError]s; that of a locked file wraps ErrInUse.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	file := &File{f: f}
	if op, err := file.take(); err != nil {
		_ = file.Close()
		return nil, &fs.PathError{Op: op, Path: path, Err: innermost(err)}
	}
	return file, nil
}

// innermost removes the path from an error that gets it again.
func innermost(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// take locks the file, and checks that it can be used. It returns the operation that failed.
func (f *File) take() (op string, err error) {
	info, err := f.f.Stat()
	if err != nil {
		return "stat", err
	}
	if !info.Mode().IsRegular() {
		return "open", errors.New("it is not a regular file")
	}
	if err := lock(f.f); err != nil {
		return "lock", err
	}
	if err := secure(f.f, info); err != nil {
		return "secure", err
	}
	f.mark = mark{machine: machine(), file: identity(info)}
	if f.content, err = io.ReadAll(io.NewSectionReader(f.f, 0, size+1)); err != nil {
		return "read", err
	}
	if !ours(f.content) {
		return "open", ErrForeign
	}
	if len(f.content) < size && blank(f.content) {
		return "write", f.Clear() // reserves the space for a record
	}
	return "", nil
}

// Read returns the session that the file held when it was opened. It returns ErrEmpty, ErrDamaged or ErrElsewhere if there is none to take
// over.
func (f *File) Read() (Record, error) { return decode(f.content, f.mark) }

// Write replaces the session in the file.
func (f *File) Write(r Record) error {
	text, err := encode(r, f.mark)
	if err != nil {
		return err
	}
	_, err = f.f.WriteAt(text, 0)
	return err
}

// Clear removes the session from the file.
func (f *File) Clear() error {
	_, err := f.f.WriteAt(make([]byte, size), 0)
	return err
}

// Close unlocks and closes the file.
func (f *File) Close() error {
	unlock(f.f) // earlier than by the close, for a child process that is being started and has the file until it runs
	return f.f.Close()
}

// lockFailed returns the error of a lock that failed.
func lockFailed(err error) error {
	return fmt.Errorf("%w; it must be on a file system with working locks", err)
}

// number formats an inode number.
func number[T ~uint32 | ~uint64](n T) string { return strconv.FormatUint(uint64(n), 16) }
