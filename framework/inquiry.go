package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/docent-zk/docent/internal/wire"
)

// inquiry is what goes into one request of [Session.ChangedSince].
type inquiry struct {
	session        *Session
	zxid           int64
	data, children []string // as the server knows them
	synced         bool     // a sync lies behind
	refusal        error    // why there will be no answer

	// What follows is of one try, and guarded by the mutex of the watches.
	topics   map[string]topic // of what was asked
	answered bool
	reached  int64 // how far the server was
	code     int32
}

// topic is what was asked of a path, and what was told.
type topic uint8

const (
	askedNode topic = 1 << iota
	askedChildren
	toldNode
	toldChildren
)

var (
	// errInquiryLost sends a caller round again.
	errInquiryLost = &unsentError{errors.New("the connection broke before the request was sent")}
	// errInquiryDelayed does so too.
	errInquiryDelayed = &unsentError{errors.New("the server was too busy to look at the request")}
	// errBehind does so too, behind a sync.
	errBehind = &unsentError{errors.New("the server is behind")}
)

// try asks once. The request leaves ahead of the next one of the driver, so the answer to a read that is sent now comes behind
// the answer to it.
func (q *inquiry) try(ctx context.Context, e *epoch) error {
	support := &e.core.trees.inquiries
	if q.refusal = support.refusal(); q.refusal != nil {
		return nil
	}
	asked := &wire.Inquiry{Zxid: q.zxid}
	watched := q.begin(&e.watches, asked)
	e.wire.Ask(asked)
	_, err := e.stat(ctx, "/")
	e.wire.Retract(asked)
	if !q.end(&e.watches) {
		if err == nil || outcomeOf(err) == answered {
			return errInquiryLost
		}
		if outcomeOf(err) == unknown {
			support.deaths.Add(1)
		}
		return err
	}
	if err := q.judge(ctx, e, support); err != nil || q.refusal != nil {
		return err
	}
	return q.look(ctx, e, watched)
}

// begin listens for events of the nodes that were asked about, and returns those that must not be asked about.
func (q *inquiry) begin(t *watches, asked *wire.Inquiry) (watched []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.topics, q.answered = make(map[string]topic, len(q.data)), false
	sort := func(paths []string, what topic) (free []string) {
		for _, at := range paths {
			if t.trees[at] == nil {
				free = append(free, at)
			} else if q.topics[at] == 0 {
				watched = append(watched, at)
			}
			q.topics[at] |= what
		}
		return free
	}
	asked.Data, asked.Children = sort(q.data, askedNode), sort(q.children, askedChildren)
	asked.Answered = func(zxid int64, code int32) {
		t.mu.Lock()
		defer t.mu.Unlock()
		q.answered, q.reached, q.code = true, zxid, code
		t.inquiries = slices.DeleteFunc(t.inquiries, func(other *inquiry) bool { return other == q })
	}
	t.inquiries = append(t.inquiries, q)
	return watched
}

// end stops listening and reports whether there was an answer.
func (q *inquiry) end(t *watches) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inquiries = slices.DeleteFunc(t.inquiries, func(other *inquiry) bool { return other == q })
	return q.answered
}

// inform notes an event that belongs to the answer of an inquiry. The mutex is held.
func (t *watches) inform(event EventType, at string) {
	for _, q := range t.inquiries {
		asked := q.topics[at]
		if asked&askedNode != 0 && event != EventChildrenChanged {
			q.topics[at] |= toldNode
		}
		if asked&askedChildren != 0 && event != EventDataChanged {
			q.topics[at] |= toldChildren
		}
	}
}

// judge looks at the answer. Without an error and a refusal it is one.
func (q *inquiry) judge(ctx context.Context, e *epoch, support *inquirySupport) error {
	switch {
	case q.code == codeTooBusy:
		return errInquiryDelayed
	case q.code == codeUnimplemented:
		support.denied.Store(true)
		q.refusal = errNoInquiries
		return nil
	case q.code != 0:
		q.refusal = fmt.Errorf("it answers with error %d", q.code)
		return nil
	}
	support.answered()
	switch {
	case q.reached >= q.zxid:
		return nil
	case q.synced:
		q.refusal = fmt.Errorf("its newest transaction is %#x, asked for was %#x", q.reached, q.zxid)
		return nil
	}
	if err := e.sync(ctx); err != nil {
		return err
	}
	q.synced = true
	return errBehind
}

// look asks for nodes one by one.
func (q *inquiry) look(ctx context.Context, e *epoch, paths []string) error {
	for _, at := range paths {
		stat, err := e.stat(ctx, at)
		if err != nil && !errors.Is(err, ErrNoAuth) { // servers since 3.9 do not say
			return err
		}
		if stat == nil || stat.Mzxid > q.zxid {
			q.topics[at] |= toldNode
		}
		if stat == nil || stat.Pzxid > q.zxid {
			q.topics[at] |= toldChildren
		}
	}
	return nil
}

// found returns what was told, of the paths that were asked about, as the client knows them.
func (q *inquiry) found(paths []string, what topic) (list []string) {
	for _, at := range paths {
		if q.topics[at]&what != 0 {
			list = append(list, q.session.space.local(at))
		}
	}
	return list
}

// inquirySupport is what a client has learnt of its servers.
type inquirySupport struct {
	known  atomic.Bool  // one has answered an inquiry
	denied atomic.Bool  // one does not know them
	deaths atomic.Int32 // connections that were lost over unanswered ones, since one was answered
}

// maxInquiryDeaths is how many connections may be lost over inquiries, one after the other, until these are taken for the reason.
const maxInquiryDeaths = 3

var (
	errNoInquiries     = errors.New("it does not know setWatches")
	errInquiriesDeadly = errors.New("it closes the connection over setWatches, which it may not know, or which may be too long for it; see its jute.maxbuffer")
)

// refusal says why nobody should ask. A server that has answered before is asked again the next time.
func (s *inquirySupport) refusal() error {
	switch {
	case s.denied.Load():
		return errNoInquiries
	case s.deaths.Load() < maxInquiryDeaths:
		return nil
	case s.known.Load():
		s.deaths.Store(0)
	}
	return errInquiriesDeadly
}

// answered notes that a server knows what it was asked.
func (s *inquirySupport) answered() {
	s.known.Store(true)
	s.deaths.Store(0)
}
