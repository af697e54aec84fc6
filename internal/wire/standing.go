package wire

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

const (
	// recursiveMode is addWatch's mode of a watch on a node and everything below it.
	recursiveMode = 1
	// anyWatcher makes removeWatches take back all watches of a path. It is the
	// only type that every version knows which ends a recursive watch.
	anyWatcher = 3
	// maxStandingDeaths is how many links may be lost over an unanswered addWatch,
	// or removeWatches, before it is taken for the reason.
	maxStandingDeaths = 3
	// firstOwnXid and those below number requests that the driver knows nothing of.
	firstOwnXid = -1000
)

// standing are the recursive watches of a Session; see "Recursive watches" in
// the package documentation. It is guarded by Session.mu, but for busy.
type standing struct {
	busy   atomic.Bool // wanted or queue is not empty
	wanted []string    // in the order in which they were asked for
	sent   map[string]bool
	queue  []order          // to go out ahead of the driver's next frame
	asked  map[int32]string // the paths of unanswered addWatches of the latest link
	xid    int32            // of the latest request

	live map[string]bool // the watches in force on the latest link, whose answers OnTree has had
	zxid int64           // the highest in a reply on the latest link

	inquiries map[int32]*Inquiry // unanswered ones of the latest link

	adding, removing support
}

// support is what is known of one opcode.
type support struct {
	known  bool // it was answered as such
	denied bool // the server does not know it
	deaths int  // links lost while one was unanswered
}

// order is a request to be sent.
type order struct {
	op      int32 // opAddWatch, opRemoveWatches or opSetWatches
	path    string
	inquiry *Inquiry // with opSetWatches, which has no path
}

// WatchTree keeps a recursive watch on path on every link from now on, until
// UnwatchTree. The request leaves ahead of the driver's next frame, and on later
// links behind the handshake and ahead of everything else; OnTree is called for
// each answer. It reports false, and does nothing, when the server is known not
// to support it.
func (s *Session) WatchTree(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.standing
	if t.adding.denied {
		return false
	}
	if !slices.Contains(t.wanted, path) {
		t.wanted = append(t.wanted, path)
	}
	t.enqueue(order{op: opAddWatch, path: path})
	return true
}

// UnwatchTree ends what WatchTree began. The server is told ahead of the driver's
// next frame, a ping if there is no other. It takes back every watch of the
// connection on path then, the driver's own as well.
func (s *Session) UnwatchTree(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.standing
	t.forget(path)
	if t.sent[path] && !t.removing.denied {
		t.enqueue(order{op: opRemoveWatches, path: path})
	}
	t.settle()
}

// enqueue makes o the only request about its path that waits to be sent.
func (t *standing) enqueue(o order) {
	t.unqueue(o.path)
	t.queue = append(t.queue, o)
	t.settle()
}

func (t *standing) unqueue(path string) {
	t.queue = slices.DeleteFunc(t.queue, func(o order) bool { return o.path == path })
}

// forget drops a path and what waits to be sent for it.
func (t *standing) forget(path string) {
	t.unqueue(path)
	if i := slices.Index(t.wanted, path); i >= 0 {
		t.wanted = slices.Delete(t.wanted, i, i+1)
	}
	t.settle()
}

func (t *standing) settle() { t.busy.Store(len(t.wanted)+len(t.queue) > 0) }

// unanswered reports whether an addWatch for a path is under way.
func (t *standing) unanswered(path string) bool {
	for _, other := range t.asked {
		if other == path {
			return true
		}
	}
	return false
}

// TreeZxid returns a zxid up to which every change below path, which WatchTree was
// called with, has been told: the driver has had its event, or OnTree was called
// behind it. It is 0 while the watch is not in force.
func (s *Session) TreeZxid(path string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.standing.live[path] {
		return 0
	}
	return s.standing.zxid
}

// own is a request of wire's own, ready to be sent.
type own struct {
	request
	frame []byte
}

// nextXid numbers a request of wire's own.
func (t *standing) nextXid() int32 {
	if t.xid--; t.xid > firstOwnXid || t.xid == -1<<31 {
		t.xid = firstOwnXid
	}
	return t.xid
}

// issue numbers a request and notes what its answer will be about.
func (t *standing) issue(o order) own {
	t.nextXid()
	if t.sent == nil {
		t.sent, t.asked = make(map[string]bool), make(map[int32]string)
		t.live, t.inquiries = make(map[string]bool), make(map[int32]*Inquiry)
	}
	switch o.op {
	case opSetWatches:
		t.inquiries[t.xid] = o.inquiry
		return own{request{xid: t.xid, op: o.op, marks: markInquiry}, o.inquiry.frame(t.xid)}
	case opRemoveWatches:
		delete(t.sent, o.path)
		delete(t.live, o.path)
		return own{request{xid: t.xid, op: o.op, marks: markUntree}, watchFrame(t.xid, o, anyWatcher)}
	}
	delete(t.live, o.path)
	t.sent[o.path], t.asked[t.xid] = true, o.path
	return own{request{xid: t.xid, op: o.op, marks: markTree}, watchFrame(t.xid, o, recursiveMode)}
}

// watchFrame encodes an addWatch or a removeWatches, which look the same.
func watchFrame(xid int32, o order, kind int32) []byte {
	n := requestHeaderLen + 4 + len(o.path) + 4
	b := make([]byte, 0, prefixLen+n)
	for _, v := range []int32{int32(n), xid, o.op, int32(len(o.path))} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return binary.BigEndian.AppendUint32(append(b, o.path...), uint32(kind))
}

// newLink returns the requests that go out first on a link: all watches of the
// last one are gone.
func (t *standing) newLink() (out []own) {
	t.sent, t.asked, t.queue = nil, nil, nil
	t.live, t.inquiries, t.zxid = nil, nil, 0
	t.settle()
	for _, path := range t.wanted {
		out = append(out, t.issue(order{op: opAddWatch, path: path}))
	}
	return out
}

// ahead takes the requests that go out ahead of the driver's next frame.
func (t *standing) ahead() (out []own) {
	for _, o := range t.queue {
		one := t.issue(o)
		out = append(append(out, one), t.behind(one.op, one.frame)...)
	}
	t.queue = nil
	t.settle()
	return out
}

// behind returns the requests that go out right behind a frame: one that sets a one-shot watch on a path that is watched recursively turns the
// recursive watch into a one-shot one, on servers before 3.9 (ZOOKEEPER-4466).
func (t *standing) behind(op int32, frame []byte) (out []own) {
	for _, path := range t.wanted {
		if setsOneShot(op, frame, path) {
			out = append(out, t.issue(order{op: opAddWatch, path: path}))
		}
	}
	return out
}

// setsOneShot reports whether a request frame sets a one-shot watch on path.
func setsOneShot(op int32, frame []byte, path string) bool {
	switch op {
	case opExists, opGetData, opGetChildren, opGetChildren2:
		const at = prefixLen + requestHeaderLen + 4
		named := requestPath(op, frame)
		return named != nil && string(named) == path && len(frame) > at+len(named) && frame[at+len(named)] != 0
	case opSetWatches:
		return len(frame) >= relativeZxidAt+8 && lists(frame[relativeZxidAt+8:], path)
	}
	return false
}

// lists reports whether path is in one of the three lists of a setWatches. It
// leaves the bytes as they are.
func lists(body []byte, path string) bool {
	w := walker{rest: body}
	for range 3 {
		for n := w.length(); n > 0 && !w.bad; n-- {
			if string(w.skip(max(0, w.length()))) == path {
				return true
			}
		}
	}
	return false
}
