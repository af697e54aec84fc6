package framework

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/wire"
)

// inquiry is what goes into one request of [Session.ChangedSince].
type inquiry struct {
	session        *Session
	zxid           int64
	data, children []string // as the server knows them
	synced         bool     // a sync lies behind
	refusal        error    // why there will be no answer
	length         oversize // judges it, once it is known that the servers know others

	// What follows is of one try, and guarded by the mutex of the watches.
	topics   map[string]topic // of what was asked
	answered bool
	reached  int64    // how far the server was
	beside   []string // paths that are watched recursively, and were not asked about
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
	// errInquiryDelayed sends a caller round again.
	errInquiryDelayed = &unsentError{errors.New("the server was too busy to look at the request")}
	// errBehind does so too, behind a sync.
	errBehind = &unsentError{errors.New("the server is behind")}
)

// try asks once.
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

// kind is what learns from how the request ends. Servers that know others close the connection over this one because of its length.
func (q *inquiry) kind(e *epoch) wire.Kind {
	if e.core.can.answers(capSetWatches) {
		return &q.length
	}
	return e.core.can.kind(capSetWatches)
}

// noteAnswer takes the header of the answer, behind the events.
func (q *inquiry) noteAnswer(t *watches, zxid int64, code int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.answered, q.reached, q.code = true, zxid, code
	t.inquiries = slices.DeleteFunc(t.inquiries, func(other *inquiry) bool { return other == q })
}

// over sets recursive watches again that came into being meanwhile: the request may have taken their place.
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

// begin listens for events of the nodes that were asked about, and returns those that must not be asked about.
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

// besides reports whether a path was not asked about.
func (q *inquiry) besides(at string) bool { return slices.Contains(q.beside, at) }

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

var errNoInquiries = errors.New("it does not know setWatches, or closes the connection over it, which may be too long for it; see its jute.maxbuffer")
