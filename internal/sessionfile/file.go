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

// What is wrong with a file.
var (
	// ErrInUse says that the file is locked.
	ErrInUse = errors.New("another client has locked it, in this process or in another running one")
	// ErrForeign says that the file holds something else.
	ErrForeign = errors.New("it does not hold a session, and is not overwritten")
)

// What Read returns if there is no session to take over.
var (
	// ErrEmpty says that the file holds no session.
	ErrEmpty = errors.New("it holds no session")
	// ErrDamaged says that the record in the file cannot be read.
	ErrDamaged = errors.New("its record is damaged, or of another version")
	// ErrElsewhere says that the record was not written to this file, or not since the machine was started.
	ErrElsewhere = errors.New("its record was written to another file, on another machine, or before this machine was restarted")
)

// Record is a session.
type Record struct {
	ID       int64
	Password []byte
	Timeout  time.Duration // as granted
}

// File is a file that is open and locked. It may be used by one goroutine at a time.
type File struct {
	f       *os.File
	content []byte // when it was opened
	mark    mark
}

// mark says where and since when a record is valid.
type mark struct{ machine, file string }

// Open opens and locks the file, and creates it if there is none. Errors are [fs.PathError]s; ErrInUse is behind that of a file that is
// locked. It never waits for the lock.
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

// innermost takes the path away from an error that gets it again.
func innermost(err error) error {
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}

// take locks the file, and makes sure that it can be used. It returns what has failed.
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
		return "write", f.Clear() // which takes the space that a record needs
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
	unlock(f.f) // for the sake of a process that is being started, which has the file until it runs
	return f.f.Close()
}

// lockFailed is the error of a lock that the system does not give.
func lockFailed(err error) error {
	return fmt.Errorf("%w; it must be on a file system with working locks", err)
}

// number writes an inode number.
func number[T ~uint32 | ~uint64](n T) string { return strconv.FormatUint(uint64(n), 16) }
