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

// service tracks whether operations are answered. A server can answer handshakes and pings, which keep the session
// alive, and refuse or ignore everything else, because it requires another identity or hangs. Only an answered
// operation proves that it works.
//
// While operations fail, or are not answered for long, the supervisor sends an exists request of its own, one per
// session timeout, until an operation is answered.
type service struct {
	mu      sync.Mutex
	wanted  int       // running operations
	failed  bool      // one has failed since the last one was answered
	since   time.Time // since when there are such operations and none was answered; zero if there are none
	err     error     // why the last one failed; nil if none has
	refusal error     // error code of a server that did not process an operation; nil if none
	linked  time.Time // when there last was a connection
	probed  time.Time // when the last exists was sent
	probes  int       // number of exists sent since then
	probing bool      // an exists is pending
	said    bool      // it has been logged
}

// begin records the start of an operation.
func (s *service) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted++
	s.begun()
}

// begun is called with the mutex held when an operation has started or failed.
func (s *service) begun() {
	if s.since.IsZero() {
		s.since, s.probes = time.Now(), 0
	}
}

// end records the end of an operation. If its caller has abandoned it, the reply may still come.
func (s *service) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted--
	if err != nil && !isServed(err) && !isLocal(err) {
		s.failed = true
		if s.err == nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) { // the error of an ended ctx says less
			s.err = err
		}
	}
	if s.wanted == 0 && !s.failed {
		s.since = time.Time{}
	}
}

// fault records that a connection ended on which nothing was answered. It reports whether that happens repeatedly.
func (s *service) fault(cause error) (habit bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	habit = s.failed
	s.failed, s.err = true, cause
	s.begun()
	return habit
}

// connected records a new connection. Time without a connection does not count.
func (s *service) connected(timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.since.IsZero() && now.Sub(s.linked) >= timeout {
		s.since, s.probes = now, 0
	}
	s.linked = now
}

// restart records that until now only a read-only server was available, which could not serve all operations.
func (s *service) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.since.IsZero() {
		s.since, s.probes = time.Now(), 0
	}
}

// disconnected records the end of a connection.
func (s *service) disconnected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.linked = time.Now()
}

// answered records that a server has answered an operation. It reports whether that ends a problem that was logged.
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

// unserved returns since when operations are running or have failed without any that was answered; zero if that is not
// so. err is the error code of a server, or why the last operation failed, if any.
func (s *service) unserved() (since time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return s.since, s.refusal
	}
	return s.since, s.err
}

// refused records that a server has answered an operation with a code that means that it was not processed.
func (s *service) refused(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// toProbe reports whether an exists is to be sent now, and records it as sent. It is sent early enough to be answered
// before Client.Health reports a problem.
func (s *service) toProbe(now time.Time, timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	patience := timeout / 8 // for the reply to an abandoned operation
	if s.wanted > 0 {
		patience = timeout / 2 // a reply to a running operation also proves it
	}
	if s.since.IsZero() || s.probing || now.Sub(s.since) < patience || now.Sub(s.probed) < s.probePause(timeout) {
		return false
	}
	s.probed, s.probing = now, true
	s.probes++
	return true
}

// probePause returns the minimum time between two exists: a session timeout while none is answered. The first one after
// a reply comes a little sooner, because the supervisor may be late by an eighth of a session timeout. If its
// connection ends, the second one follows soon. The mutex is held.
func (s *service) probePause(timeout time.Duration) time.Duration {
	switch s.probes {
	case 0:
		return timeout * 3 / 4
	case 1:
		return timeout / 4
	}
	return timeout
}

// probeEnded records that the exists has ended.
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

// toSay reports, once, whether the log has to say that nothing was answered for a session timeout.
func (s *service) toSay(now time.Time, timeout time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() || s.said || now.Sub(s.since) < timeout {
		return false
	}
	s.said = true
	return true
}

// quiet reports whether the problem has been logged, so that changes of the connection need not be.
func (s *service) quiet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said
}

// isServed reports whether the error comes from a server that processes requests.
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

// servedCodes are further error codes of such servers.
var servedCodes = []int32{codeUnimplemented, codeEphemeralOnLocal, codeQuotaExceeded}

// isLocal reports whether an operation ended for a reason that says nothing about the servers.
func isLocal(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, ErrInvalidPath) || errors.Is(err, ErrUnsupported) || errors.Is(err, ErrClosed) ||
		errors.Is(err, ErrNotReadOnly)
}

// noteCode handles the code of a reply.
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

// noteAnswer handles a reply.
func (c *core) noteAnswer(err error) {
	if !isServed(err) {
		if isThrottled(err) {
			c.service.refused(fmt.Errorf("%w (code %d)", advised(err), codeTooBusy))
		}
		return
	}
	if c.service.answered() { // first: WaitConnected returns when the identity is accepted, and Health is to agree with it
		c.log.Info("zookeeper answers operations again")
	}
	c.identities.served()
}

// tend checks whether operations are answered. The supervisor calls it.
func (c *core) tend(e *epoch) {
	timeout, now := e.wire.Timeout(), time.Now()
	if timeout == 0 || e.wire.ReadOnly() {
		return
	}
	c.sayRecipes(c.gate.Load(), timeout)
	if now.Sub(e.wire.LastAnswered()) < timeout && c.service.toSay(now, timeout) { // silence is logged as a change of state
		since, err := c.service.unserved()
		c.log.Warn("zookeeper does not answer operations, although it answers handshakes or pings", "since", since, "cause", c.blamed(err))
	}
	if c.gate.Load().serves(e) && c.service.toProbe(now, timeout) {
		c.retiring.Add(1)
		go func() {
			defer c.retiring.Done()
			c.probe(e, timeout)
		}()
	}
}

// probe sends a request that every server can answer.
func (c *core) probe(e *epoch, patience time.Duration) {
	ctx, cancel := context.WithTimeoutCause(e.ctx, patience, fmt.Errorf("an exists was not answered for %v: %w", patience, context.DeadlineExceeded))
	defer cancel()
	_, err := e.stat(ctx, "/")
	if isServed(err) {
		err = nil
	}
	c.service.probeEnded(err)
}

// blamed returns why operations are not answered. A refused identity explains everything else.
func (c *core) blamed(err error) error {
	if refused := c.identities.failed(); refused != nil {
		return refused
	}
	return err
}
