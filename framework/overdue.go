package framework

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/wire"
)

// patience is the number of session timeouts for which an operation of a Session is retried after its first reply was
// lost on a connection that stayed up. Noticing the loss takes up to another session timeout, so the call returns
// within three.
const patience = 2

// maxOverdue bounds the number of operations that are listed as overdue.
const maxOverdue = 1000

// errNotAnswered means that an operation was given up because its reply was lost repeatedly.
var errNotAnswered = errors.New("the servers answer other requests but not this one")

// question names an operation.
type question struct{ op, path string }

// overdue lists the operations whose reply was lost on a connection that stayed up, for Client.Health. An operation
// that was given up stays listed for a session timeout, since its caller may repeat it.
type overdue struct {
	mu sync.Mutex
	m  map[question]*unanswered
}

// unanswered is an entry of the list: an operation, or several identical ones.
type unanswered struct {
	question
	since time.Time // the first loss since one of them was answered
	calls int       // running calls
	ended time.Time // when the last of them was given up
	err   error     // the last loss
}

// enter records the loss of a reply. first means the first loss of its call.
func (l *overdue) enter(q question, err error, first bool, timeout time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(timeout)
	u := l.m[q]
	if u == nil {
		first = true // the list was full at the call's first loss
		if len(l.m) >= maxOverdue {
			return
		}
		if l.m == nil {
			l.m = make(map[question]*unanswered)
		}
		u = &unanswered{question: q, since: time.Now()}
		l.m[q] = u
	}
	if u.err = err; first {
		u.calls++
	}
}

// leave records that a call which has entered has ended.
func (l *overdue) leave(q question, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.m[q]
	if u == nil {
		return
	}
	u.calls = max(0, u.calls-1)
	switch {
	case !answered:
		u.ended = time.Now()
	case u.calls == 0:
		delete(l.m, q)
	default: // other calls wait for the same reply
		u.since = time.Now()
	}
}

// forget drops operations that were not repeated for a session timeout. The mutex is held.
func (l *overdue) forget(timeout time.Duration) {
	for q, u := range l.m {
		if u.calls == 0 && time.Since(u.ended) > timeout {
			delete(l.m, q)
		}
	}
}

// oldest returns the entry that has been listed longest.
func (l *overdue) oldest(timeout time.Duration) (oldest unanswered, any bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(timeout)
	for _, u := range l.m {
		if !any || u.since.Before(oldest.since) {
			oldest, any = *u, true
		}
	}
	return oldest, any
}

// lost records that an attempt failed because its reply was lost. It returns an error if the operation must not be
// retried.
func (a *attempt) lost(err error) error {
	if !errors.Is(err, wire.ErrReplyLost) && !errors.Is(err, wire.ErrNoReply) {
		return nil
	}
	timeout, first := a.ops.core.grant.timeout(), a.lostAt.IsZero()
	if first {
		a.lostAt = time.Now()
	}
	a.ops.core.overdue.enter(question{a.op, a.path}, err, first, timeout)
	if a.ops.fixed == nil || time.Since(a.lostAt) < patience*timeout {
		return nil
	}
	return fmt.Errorf("%w (%w)", errNotAnswered, err)
}

// over records that the operation has ended.
func (a *attempt) over(answered bool) {
	if !a.lostAt.IsZero() {
		a.ops.core.overdue.leave(question{a.op, a.path}, answered)
	}
}

// overdue checks whether an operation is not answered although others are.
func (e *examination) overdue(c *core) {
	u, any := c.overdue.oldest(e.timeout)
	if !any || !e.lasted(u.since, e.bounds.Silence) {
		return
	}
	text := fmt.Sprintf("%s %s has not been answered for %s, although other requests are: %v", u.op, u.path, e.ago(u.since), u.err)
	e.note(HealthReason{Text: text, Since: u.since, Err: u.err})
}
