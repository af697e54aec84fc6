package realzk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	scratchPrefix = "docent-realzk-"
	lockFile      = "owner.lock"
	// sweepAge keeps a sweep away from directories that are being made.
	sweepAge = time.Minute
)

// scratch is a directory of this process, for one server.
type scratch struct {
	path string
	lock io.Closer // held as long as the directory is in use
}

// newScratch makes a directory in the first of the given places that can be
// written, after it has removed what dead owners left there.
func newScratch(places ...string) (*scratch, error) {
	var errs []error
	for _, place := range places {
		sweep(place)
		made, err := makeScratch(place)
		if err == nil {
			return made, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("realzk: no directory for a server's data: %w", errors.Join(errs...))
}

// places are where a server's data may be.
func (o Options) places() []string {
	if o.Dir != "" {
		return []string{o.Dir}
	}
	return scratchPlaces()
}

// scratchPlaces are in memory where the system has that.
func scratchPlaces() []string { return []string{"/dev/shm", os.TempDir()} }

func makeScratch(place string) (*scratch, error) {
	if info, err := os.Stat(place); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, fmt.Errorf("%s is no directory", place)
	}
	path, err := os.MkdirTemp(place, scratchPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := lockOwner(filepath.Join(path, lockFile))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return &scratch{path: path, lock: lock}, nil
}

func (s *scratch) file(name string) string { return filepath.Join(s.path, name) }

func (s *scratch) write(name, text string) error {
	return os.WriteFile(s.file(name), []byte(text), 0o600)
}

// remove deletes the directory and gives up its lock.
func (s *scratch) remove() error {
	return errors.Join(os.RemoveAll(s.path), s.lock.Close())
}

// sweep removes directories whose owner has died. What cannot be removed is
// somebody else's.
func sweep(place string) {
	paths, _ := filepath.Glob(filepath.Join(place, scratchPrefix+"*"))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		if lock, err := lockOwner(filepath.Join(path, lockFile)); err == nil {
			_ = os.RemoveAll(path)
			_ = lock.Close()
		}
	}
}
