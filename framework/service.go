package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// service knows whether operations are answered. A server can answer handshakes and pings, which keep a session, and refuse or
// ignore all else: it may demand another identity, or hang. Only an operation that is answered tells.
//
// While operations fail, or are not answered for long, the supervisor sends an exists of its own, one per session timeout, until
// an operation is answered.
type service struct {
	mu      sync.Mutex
	wanted  int       // operations under way
	failed  bool      // one has failed since one was answered
	since   time.Time // since when there are such, and none was answered; zero while there are none
	err     error     // why the latest has failed; nil if none has
	refusal error     // what a server has answered in place of an answer; nil if none has
	linked  time.Time // when there was a connection last
	probed  time.Time // when the latest exists was sent
	probes  int       // how many were sent since then
	probing bool      // it is under way
	said    bool      // the log has it
}

// begin notes that an operation is wanted.
func (s *service) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted++
	s.begun()
}

// begun is called with the mutex held when an operation is wanted or has failed.
func (s *service) begun() {
	if s.since.IsZero() {
		s.since, s.probes = time.Now(), 0
	}
}

// end notes how a wanted operation has ended. The answer to one that its caller has left may still come.
func (s *service) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted--
	if err != nil && !isServed(err) && !isLocal(err) {
		s.failed = true
		if s.err == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) { // its caller knows less
			s.err = err
		}
	}
	if s.wanted == 0 && !s.failed {
		s.since = time.Time{}
	}
}

// fault notes that a connection has ended on which nothing was answered. It reports whether that has become a habit.
func (s *service) fault(cause error) (habit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	habit = s.failed
	s.failed, s.err = true, cause
	s.begun()
	return habit
}

// connected notes that there is a connection. Time without any, which nobody could use, does not count against it.
func (s *service) connected(timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.since.IsZero() && now.Sub(s.linked) >= timeout {
		s.since, s.probes = now, 0
	}
	s.linked = now
}

// restart notes that only a read-only server was there until now, which could not serve all that was wanted.
func (s *service) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.IsZero() {
		s.since, s.probes = time.Now(), 0
	}
}

// disconnected notes the end of a connection.
func (s *service) disconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linked = time.Now()
}

// answered notes that a server has answered an operation. It reports whether that is news, after a line in the log.
func (s *service) answered() (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed, s.err, s.refusal, s.since = false, nil, nil, time.Time{}
	if s.wanted > 0 {
		s.begun()
	}
	news, s.said = s.said, false
	return news
}

// unserved returns since when operations are wanted, or have failed, and none was answered: the zero time if that is not so. err
// is what a server has answered, or why the latest has failed, if one has.
func (s *service) unserved() (since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return s.since, s.refusal
	}
	return s.since, s.err
}

// refused notes that a server has answered an operation with a code that says that it did not look at it.
func (s *service) refused(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// toProbe reports whether an exists is to be sent now, and counts it as sent. It is sent early enough to be answered before
// Client.Health takes notice.
func (s *service) toProbe(now time.Time, timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	patience := timeout / 8 // for the answer to an operation that was given up
	if s.wanted > 0 {
		patience = timeout / 2 // the answer to what is wanted tells as well
	}
	if s.since.IsZero() || s.probing || now.Sub(s.since) < patience || now.Sub(s.probed) < s.probePause(timeout) {
		return false
	}
	s.probed, s.probing = now, true
	s.probes++
	return true
}

// probePause is the least time between two exists: a session timeout, as long as none is answered. The first one after an answer
// comes a little sooner, because the supervisor may be late by an eighth of a session timeout. If its connection ends, the
// second one follows soon. The mutex is held.
func (s *service) probePause(timeout time.Duration) time.Duration {
	switch s.probes {
	case 0:
		return timeout * 3 / 4
	case 1:
		return timeout / 4
	}
	return timeout
}

// probeEnded notes that the exists has ended.
func (s *service) probeEnded(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probing = false
	if err != nil && !s.since.IsZero() {
		s.failed = true
		if s.err == nil {
			s.err = err
		}
	}
}

// toSay reports whether the log is to be told, once, that nothing was answered for a session timeout.
func (s *service) toSay(now time.Time, timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || s.said || now.Sub(s.since) < timeout {
		return false
	}
	s.said = true
	return true
}

// quiet reports whether the log has been told what is wrong, so that it need not be told how the connection comes and goes.
func (s *service) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said
}

// isServed reports whether a server that gives such an answer does what it is asked.
func isServed(err error) bool {
	for _, served := range []error{
		ErrNoNode, ErrNodeExists, ErrBadVersion, ErrNotEmpty, ErrNoAuth, ErrInvalidACL, ErrNoChildrenForEphemerals,
		zk.ErrBadArguments, zk.ErrReconfigDisabled,
	} {
		if errors.Is(err, served) {
			return true
		}
	}
	code, refused := codeOf(err)
	return err == nil || refused && slices.Contains(servedCodes, code)
}

// servedCodes are the other codes of such answers.
var servedCodes = []int32{codeUnimplemented, codeEphemeralOnLocal, codeQuotaExceeded}

// isLocal reports whether an operation has ended for a reason that says nothing of the servers.
func isLocal(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, ErrInvalidPath) || errors.Is(err, ErrUnsupported) || errors.Is(err, ErrClosed) ||
		errors.Is(err, ErrNotReadOnly)
}

// noteCode draws the conclusion from the code of an answer.
func (e *epoch) noteCode(code int32) {
	switch code {
	case 0:
		e.core.noteAnswer(nil)
		return
	case codeSASLRequired:
		server, _ := e.dialledLast()
		e.core.identities.refused(required(server))
	}
	e.core.noteAnswer(codeError(code))
}

// noteAnswer draws the conclusion from an answer.
func (c *core) noteAnswer(err error) {
	if !isServed(err) {
		if isThrottled(err) {
			c.service.refused(fmt.Errorf("%w (code %d)", advised(err), codeTooBusy))
		}
		return
	}
	c.identities.served()
	if c.service.answered() {
		c.log.Info("zookeeper answers operations again")
	}
}

// tend is the supervisor's look at whether operations are answered.
func (c *core) tend(e *epoch) {
	timeout, now := e.wire.Timeout(), time.Now()
	if timeout == 0 || e.wire.ReadOnly() {
		return
	}
	c.sayRecipes(c.gate.Load(), timeout)
	if now.Sub(e.wire.LastAnswered()) < timeout && c.service.toSay(now, timeout) { // of silence the changes of state tell
		since, err := c.service.unserved()
		c.log.Warn("zookeeper answers no operation, although it answers handshakes or pings", "since", since, "cause", c.blamed(err))
	}
	if c.gate.Load().serves(e) && c.service.toProbe(now, timeout) {
		c.retiring.Add(1)
		go func() {
			defer c.retiring.Done()
			c.probe(e, timeout)
		}()
	}
}

// probe asks for something that every server can answer.
func (c *core) probe(e *epoch, patience time.Duration) {
	ctx, cancel := context.WithTimeoutCause(e.ctx, patience, fmt.Errorf("an exists was not answered for %v: %w", patience, context.DeadlineExceeded))
	defer cancel()
	_, err := e.stat(ctx, "/")
	if isServed(err) {
		err = nil
	}
	c.service.probeEnded(err)
}

// blamed is why operations are not answered: that a server has refused the client's identity explains everything else.
func (c *core) blamed(err error) error {
	if refused := c.identities.failed(); refused != nil {
		return refused
	}
	return err
}
