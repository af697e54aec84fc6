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

// ErrSessionFileInUse says that another client has Config.SessionFile locked, in this process or in one that is still running. It is behind
// an [io/fs.PathError] that names the file.
var ErrSessionFileInUse = sessionfile.ErrInUse

var (
	// errClosedFormer is why the epoch of a former process is over that has done its work.
	errClosedFormer = errors.New("it was closed on behalf of the previous process, which has ended")
	// errKeptFormer is why it is over otherwise.
	errKeptFormer = errors.New("the servers have accepted connections but have not closed it")
)

// sessionFile is Config.SessionFile. Its fields are the supervisor's, once there is one.
type sessionFile struct {
	file   *sessionfile.File  // nil without one
	former sessionfile.Record // the session of the process before; its ID is 0 if there is none to be closed
	odd    error              // why what was in the file is of no use
	kept   sessionfile.Record // what was written last

	failure atomic.Pointer[sessionFileError] // why the present session is not in the file; nil if it is
}

// sessionFileError says since when a file could not be written, and why.
type sessionFileError struct {
	since time.Time
	err   error
}

// openSessionFile locks Config.SessionFile, if there is one, and reads it.
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

// firstEpoch opens the epoch with which the client begins. Epoch 0 closes the session of the process before, and epoch 1 is the
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

// resumes makes an epoch 0 take over the session of the process before, and close it ahead of everything else.
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

// followFormer waits until the session of the previous process has ended, and returns why it is, or why the client goes on without that. The wait
// is bounded from the first connection on that a server has accepted: while there is none, no new session could begin either.
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

// giveUpFormer goes on although the session of the process before may live.
func (c *core) giveUpFormer(e *epoch, err error) error {
	e.fence(err)
	c.log.Warn("the session of the previous process is left to expire; what it holds is not free until then", "session", hex(e.wire.ID()), "cause", err)
	return err
}

// handleFormer answers what the driver of an epoch 0 said. It returns the cause when the session is over.
func (c *core) handleFormer(e *epoch, signals []signal) error {
	for _, s := range signals {
		switch s.kind {
		case linkUp:
			e.server = s.server
		case linkDown:
			if e.server != "" { // else the driver's goroutine has noted it
				c.dialFailed(e.server, fmt.Errorf("closing the session of the previous process: %w", s.cause))
				e.server = ""
			}
		case sessionExpired:
			return s.cause
		}
	}
	return nil
}

// record writes the session of an epoch to Config.SessionFile, before anything can be sent in it. Without the record the session is as good
// as any, and a process that is started next waits for it to expire.
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

// closeSessionFile unlocks Config.SessionFile. If a server has confirmed that the session of the last epoch is over, the record of it goes.
func (c *core) closeSessionFile(last *epoch) {
	s := &c.sessionFile
	if s.file == nil {
		return
	}
	if last != nil && last.wire.Closed() {
		if err := s.file.Clear(); err != nil {
			c.log.Debug("Config.SessionFile keeps a session that is over", "error", err)
		}
	}
	_ = s.file.Close()
}

// sessionFile looks whether Config.SessionFile could be written.
func (e *examination) sessionFile(c *core) {
	if f := c.sessionFile.failure.Load(); f != nil {
		e.note(HealthReason{Text: "the session is not in Config.SessionFile: " + f.err.Error(), Since: f.since, Err: f.err, Notice: true})
	}
}

// hex writes the id of a session as servers log it.
func hex(id int64) string { return fmt.Sprintf("%#x", uint64(id)) }
