package framework

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/wire"
)

// patience is for how many session timeouts an operation of a Session is repeated after its first reply was lost on a connection that
// goes on. To notice that takes another session timeout at most, so that the call returns within three.
const patience = 2

// maxOverdue bounds how many operations are listed as overdue.
const maxOverdue = 1000

// errNotAnswered says that an operation is given up because its reply is lost again and again.
var errNotAnswered = errors.New("the servers answer other requests and not this one")

// question names an operation.
type question struct{ op, path string }

// overdue lists the operations whose reply was lost on a connection that went on, for Client.Health. Only an operation that has such
// a loss is listed. One that was given up stays for a session timeout: its caller may repeat it.
type overdue struct {
	mu sync.Mutex
	m  map[question]*unanswered
}

// unanswered is an operation in the list, or several that are the same.
type unanswered struct {
	question
	since time.Time // of the first loss since one of them was answered
	calls int       // that are under way
	ended time.Time // when the latest of them was given up
	err   error     // the latest loss
}

// enter notes the loss of a reply. first says that it is the first of its call.
func (l *overdue) enter(q question, err error, first bool, timeout time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(timeout)
	u := l.m[q]
	if u == nil {
		first = true // since it could not be listed before
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

// leave notes that a call that has entered is over.
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
	default: // others wait for the same answer
		u.since = time.Now()
	}
}

// forget drops what nobody has asked for a session timeout. The mutex is held.
func (l *overdue) forget(timeout time.Duration) {
	for q, u := range l.m {
		if u.calls == 0 && time.Since(u.ended) > timeout {
			delete(l.m, q)
		}
	}
}

// oldest returns what has been in the list for longest.
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

// lost notes that a try has ended because a reply was lost, if that is so. It returns an error when another try would be one too many.
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

// over notes that the operation has ended.
func (a *attempt) over(answered bool) {
	if !a.lostAt.IsZero() {
		a.ops.core.overdue.leave(question{a.op, a.path}, answered)
	}
}

// overdue looks whether an operation is not answered although others are.
func (e *examination) overdue(c *core) {
	u, any := c.overdue.oldest(e.timeout)
	if !any || !e.lasted(u.since, e.bounds.Silence) {
		return
	}
	text := fmt.Sprintf("%s %s has not been answered for %v, although other requests are: %v", u.op, u.path, e.ago(u.since), u.err)
	e.note(HealthReason{Text: text, Since: u.since, Err: u.err})
}
