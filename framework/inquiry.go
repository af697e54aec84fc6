package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// inquiry is one request of [Session.ChangedSince].
type inquiry struct {
	session        *Session
	zxid           int64
	data, children []string // in the servers' form
	synced         bool     // a sync has been done before
	refusal        error    // why there will be no reply
	length         oversize // decides whether a lost connection is due to the request's length, once other requests have been answered

	// The following fields are of one attempt, and guarded by the mutex of the watches.
	topics   map[string]topic // of what was asked
	answered bool
	reached  int64    // how far the server was
	beside   []string // paths that are watched recursively and were not asked about
	code     int32
}

// topic is what was asked about a path, or what the reply said.
type topic uint8

const (
	askedNode topic = 1 << iota
	askedChildren
	toldNode
	toldChildren
)

var (
	// errInquiryDelayed makes the caller try again.
	errInquiryDelayed = &unsentError{errors.New("the server was too busy to process the request")}
	// errBehind makes the caller try again after a sync.
	errBehind = &unsentError{errors.New("the server is behind")}
)

// try sends the request once.
func (q *inquiry) try(ctx context.Context, e *epoch) error {
	if q.refusal = e.core.can.lack(capSetWatches); q.refusal != nil {
		return nil
	}
	body := &jute.SetWatchesRequest{RelativeZxid: q.zxid}
	watched := q.begin(&e.watches, body)
	a := query[struct{}]{op: jute.OpSetWatches, at: first(q.data, q.children), body: body, kind: q.kind(e)}.call(ctx)
	a.Answered = func(zxid int64, code int32) { q.noteAnswer(&e.watches, zxid, code) }
	a.Over = func(err error) { q.over(e, err) }
	err := e.send(ctx, &a.Call)
	if err == nil {
		_, err = a.wait(ctx, e)
	}
	if !q.end(&e.watches) {
		if q.length.out(0, err) != nil {
			q.refusal = errNoInquiries
			return nil
		}
		return err
	}
	if err := q.judge(ctx, e); err != nil || q.refusal != nil {
		return err
	}
	return q.look(ctx, e, watched)
}

// kind returns the kind that learns from the request's result. If servers support other requests and close the
// connection over this one, the cause is its length.
func (q *inquiry) kind(e *epoch) wire.Kind {
	if e.core.can.answers(capSetWatches) {
		return &q.length
	}
	return e.core.can.kind(capSetWatches)
}

// noteAnswer handles the header of the reply, which follows the events.
func (q *inquiry) noteAnswer(t *watches, zxid int64, code int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.answered, q.reached, q.code = true, zxid, code
	t.inquiries = slices.DeleteFunc(t.inquiries, func(other *inquiry) bool { return other == q })
}

// over sets recursive watches again that were set meanwhile, because the request may have replaced them.
func (q *inquiry) over(e *epoch, err error) {
	if err != nil {
		return
	}
	for _, at := range slices.Concat(q.data, q.children) {
		if e.watches.treeLive(at) && !q.besides(at) {
			e.repair(at)
		}
	}
}

// begin starts listening for events of the nodes in question. It returns those that the request must not contain.
func (q *inquiry) begin(t *watches, asked *jute.SetWatchesRequest) (watched []string) {
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
	asked.Data, asked.Exist, asked.Child = filled(sort(q.data, askedNode)), []string{}, filled(sort(q.children, askedChildren))
	q.beside = watched
	t.inquiries = append(t.inquiries, q)
	return watched
}

// besides reports whether a path was left out of the request.
func (q *inquiry) besides(at string) bool { return slices.Contains(q.beside, at) }

// end stops listening and reports whether there was a reply.
func (q *inquiry) end(t *watches) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inquiries = slices.DeleteFunc(t.inquiries, func(other *inquiry) bool { return other == q })
	return q.answered
}

// inform records an event that belongs to the reply of an inquiry. The mutex is held.
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

// judge checks the reply. It returns nil if the reply is complete.
func (q *inquiry) judge(ctx context.Context, e *epoch) error {
	switch {
	case q.code == codeTooBusy:
		return errInquiryDelayed
	case q.code == codeUnimplemented:
		q.refusal = errNoInquiries
		return nil
	case q.code != 0:
		q.refusal = fmt.Errorf("it answers with error %d", q.code)
		return nil
	}
	switch {
	case q.reached >= q.zxid:
		return nil
	case q.synced:
		q.refusal = fmt.Errorf("its newest transaction is %#x, asked for was %#x", q.reached, q.zxid)
		return nil
	}
	if err := e.sync(ctx, slices.Concat(q.data, q.children)[0]); err != nil {
		return err
	}
	q.synced = true
	return errBehind
}

// look reads the nodes one by one.
func (q *inquiry) look(ctx context.Context, e *epoch, paths []string) error {
	for _, at := range paths {
		stat, err := e.stat(ctx, at)
		if err != nil && !errors.Is(err, ErrNoAuth) { // servers since 3.9 do not reveal whether such a node exists
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

// found returns the paths for which the reply said what, in the client's form.
func (q *inquiry) found(paths []string, what topic) (list []string) {
	for _, at := range paths {
		if q.topics[at]&what != 0 {
			list = append(list, q.session.space.local(at))
		}
	}
	return list
}

var errNoInquiries = errors.New("it does not support setWatches, or closes the connection because of its length; see its jute.maxbuffer")
