package framework

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/sessionfile"
	"github.com/docent-zk/docent/internal/wire"
)

// ErrSessionFileInUse means that another client, in this process or another one, has locked Config.SessionFile. It is
// wrapped in an [io/fs.PathError] that names the file.
var ErrSessionFileInUse = sessionfile.ErrInUse

var (
	// errClosedFormer is why epoch 0 has ended if it succeeded.
	errClosedFormer = errors.New("it was closed on behalf of the previous process, which has ended")
	// errKeptFormer is why epoch 0 has ended otherwise.
	errKeptFormer = errors.New("the servers have accepted connections but have not closed it")
)

// sessionFile is Config.SessionFile. Its fields belong to the supervisor, once that runs.
type sessionFile struct {
	file   *sessionfile.File  // nil without a file
	former sessionfile.Record // the session of the previous process; its ID is 0 if there is none to close
	odd    error              // why the contents of the file cannot be used
	kept   sessionfile.Record // what was written last

	failure atomic.Pointer[sessionFileError] // why the current session is not in the file; nil if it is
}

// sessionFileError is why a file could not be written, and since when.
type sessionFileError struct {
	since time.Time
	err   error
}

// openSessionFile locks and reads Config.SessionFile, if it is set.
func (c *core) openSessionFile() error {
	if c.cfg.SessionFile == "" {
		return nil
	}
	file, err := sessionfile.Open(c.cfg.SessionFile)
	if err != nil {
		return fmt.Errorf("framework.Config.SessionFile: %w", err)
	}
	s := &c.sessionFile
	s.file = file
	if s.former, err = file.Read(); err != nil && !errors.Is(err, sessionfile.ErrEmpty) {
		s.odd = err
	}
	return nil
}

// firstEpoch opens the client's first epoch. Epoch 0 closes the session of the previous process, and epoch 1 is the
// client's first session.
func (c *core) firstEpoch() (*epoch, error) {
	s := &c.sessionFile
	if s.odd != nil {
		c.log.Warn("the session of the previous process is not closed: Config.SessionFile does not name it", "file", c.cfg.SessionFile, "cause", s.odd)
	}
	if s.former.ID == 0 {
		return openEpoch(c, 1, 0)
	}
	c.mu.Lock()
	c.epochs[s.former.ID] = 0
	c.mu.Unlock()
	return openEpoch(c, 0, 0)
}

// resumes makes epoch 0 take over the session of the previous process, and close it before anything else.
func (e *epoch) resumes(o *wire.Options) {
	former := e.core.sessionFile.former
	o.Resume = wire.Resume{ID: former.ID, Password: former.Password}
	o.OnLink = func(int64) []*wire.Call {
		return []*wire.Call{{Op: jute.OpCloseSession, Path: "/", Over: func(err error) {
			if err == nil {
				e.expire(errClosedFormer)
			}
		}}}
	}
}

// followFormer waits until the session of the previous process has ended, and returns why it has, or why the client
// continues without that. The wait is bounded from the first accepted connection on: before that, no new session could
// begin either.
func (c *core) followFormer(e *epoch) error {
	began, bound := time.Now(), min(c.sessionFile.former.Timeout, longHandshake)
	var limit <-chan time.Time
	for {
		select {
		case <-c.quit:
			return ErrClosed
		case <-limit:
			return c.giveUpFormer(e, fmt.Errorf("%w for %v", errKeptFormer, bound))
		case <-e.signals.ready:
		}
		if limit == nil { // the first signal: a server has accepted a connection
			limit = time.After(bound)
		}
		if over := c.handleFormer(e, e.signals.take()); over != nil {
			c.log.Info("the session of the previous process has ended", "session", hex(e.wire.ID()), "cause", over, "after", time.Since(began))
			return over
		}
	}
}

// giveUpFormer continues although the session of the previous process may live.
func (c *core) giveUpFormer(e *epoch, err error) error {
	e.fence(err)
	c.log.Warn("the session of the previous process is left to expire; what it holds is not free until then", "session", hex(e.wire.ID()), "cause", err)
	return err
}

// handleFormer processes the signals of the driver of epoch 0. It returns the cause when the session has ended.
func (c *core) handleFormer(e *epoch, signals []signal) error {
	for _, s := range signals {
		switch s.kind {
		case linkUp:
			e.server = s.server
		case linkDown:
			if e.server != "" { // otherwise the driver's goroutine has recorded it
				c.dialFailed(e.server, fmt.Errorf("closing the session of the previous process: %w", s.cause))
				e.server = ""
			}
		case sessionExpired:
			return s.cause
		}
	}
	return nil
}

// record writes the session of an epoch to Config.SessionFile, before anything can be sent in it. Without the record
// the session works as well, but the next process has to wait for it to expire.
func (c *core) record(e *epoch) {
	s := &c.sessionFile
	now := sessionfile.Record{ID: e.wire.ID(), Password: e.wire.Password(), Timeout: e.wire.Timeout()}
	if s.file == nil || s.kept.ID == now.ID && s.kept.Timeout == now.Timeout && bytes.Equal(s.kept.Password, now.Password) {
		return
	}
	if err := s.file.Write(now); err != nil {
		if s.failure.CompareAndSwap(nil, &sessionFileError{time.Now(), err}) {
			c.log.Error("Config.SessionFile cannot be written: after a crash, what this session holds is free only when it has expired", "error", err)
		}
		return
	}
	s.kept = now
	s.failure.Store(nil)
}

// recorded returns the id of the session in the file, 0 if there is none. A read-only session is never recorded.
func (s *sessionFile) recorded() int64 {
	if s.kept.ID != 0 {
		return s.kept.ID
	}
	return s.former.ID
}

// closeSessionFile unlocks Config.SessionFile. The record is removed if a server has confirmed the end of the session in
// it.
func (c *core) closeSessionFile(last *epoch) {
	s := &c.sessionFile
	if s.file == nil {
		return
	}
	if last != nil && last.wire.Closed() && last.wire.ID() == s.recorded() {
		if err := s.file.Clear(); err != nil {
			c.log.Debug("Config.SessionFile keeps a session that is over", "error", err)
		}
	}
	_ = s.file.Close()
}

// sessionFile checks whether Config.SessionFile could be written.
func (e *examination) sessionFile(c *core) {
	if f := c.sessionFile.failure.Load(); f != nil {
		e.note(HealthReason{Text: "the session is not in Config.SessionFile: " + f.err.Error(), Since: f.since, Err: f.err, Notice: true})
	}
}

// hex formats a session id as servers log it.
func hex(id int64) string { return fmt.Sprintf("%#x", uint64(id)) }
