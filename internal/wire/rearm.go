package wire

import "encoding/binary"

// maxRearmDeaths is how many links may be lost in a row over an unanswered
// setWatches before it is taken for the reason.
const maxRearmDeaths = 3

// The events that a server sends for the watches in a setWatches.
const (
	eventCreated         = 1
	eventDeleted         = 2
	eventDataChanged     = 3
	eventChildrenChanged = 4
	stateConnected       = 3 // in every event
)

// watchList says in which list of a setWatches a path is.
type watchList int

const (
	dataList  watchList = iota
	existList           // of nodes that do not exist
	childList
)

// batch is a setWatches of the driver that goes out as single reads.
type batch struct {
	xid   int32 // the driver's
	pin   int64 // as in relativeZxid
	marks marks
	open  int // reads that are unanswered
}

// single is one read of a batch.
type single struct {
	*batch
	list watchList
	path string
}

// rearmsSingly reports whether setWatches frames are to be replaced by single
// reads.
func (s *Session) rearmsSingly() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.singly
}

// rearmRefused notes that a server answered a setWatches with an error.
func (s *Session) rearmRefused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.singly = true
}

// rearmLost counts a link that the server ended while a setWatches was
// unanswered.
func (s *Session) rearmLost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rearmDeaths++
	s.singly = s.singly || s.rearmDeaths >= maxRearmDeaths
}

// sendSingly writes single reads in place of a setWatches frame of the driver.
// A frame that cannot be read, or lists nothing, goes out as it is.
func (l *link) sendSingly(r request, frame []byte) error {
	reads := watchesIn(frame)
	if len(reads) == 0 {
		return l.among(r, r.op, frame, frame)
	}
	pin, m := l.s.rearmSent(l.watches, frame)
	all, reqs := l.s.issueSingly(l.watches, &batch{xid: r.xid, pin: pin, marks: m, open: len(reads)}, reads)
	l.s.mu.Lock()
	ahead, behind := l.s.standing.ahead(), l.s.standing.behind(opSetWatches, frame)
	l.s.mu.Unlock()
	return l.postAround(ahead, behind, all, reqs...)
}

// watchesIn lists the watches in a setWatches frame, nil if it is malformed.
func watchesIn(frame []byte) (reads []single) {
	if len(frame) < relativeZxidAt+8 {
		return nil
	}
	w := walker{rest: frame[relativeZxidAt+8:]}
	for list := range childList + 1 {
		for n := w.length(); n > 0 && !w.bad; n-- {
			reads = append(reads, single{list: list, path: string(w.skip(max(0, w.length())))})
		}
	}
	if w.bad {
		return nil
	}
	return reads
}

// issueSingly numbers the reads of a batch and encodes them.
func (s *Session) issueSingly(r *rearming, b *batch, reads []single) (all []byte, reqs []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.singles == nil {
		r.singles = make(map[int32]single)
	}
	for _, read := range reads {
		read.batch = b
		xid := s.standing.nextXid()
		r.singles[xid] = read
		all = appendExists(all, xid, read.path, read.list != childList)
		reqs = append(reqs, request{xid: xid, op: opExists, marks: markSingle})
	}
	return all, reqs
}

// appendExists encodes an exists, which sets a watch on the node's data, or for
// its creation, if watch is true.
func appendExists(b []byte, xid int32, path string, watch bool) []byte {
	n := requestHeaderLen + 4 + len(path) + 1
	for _, v := range []int32{int32(n), xid, opExists, int32(len(path))} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = append(b, path...)
	if watch {
		return append(b, 1)
	}
	return append(b, 0)
}

// singleAnswered turns the answer to a single read into what the driver gets in
// its place: an event if the watch has missed one, and the answer to the
// setWatches behind the last of the batch.
func (l *link) singleAnswered(h replyHeader, body []byte) {
	l.s.mu.Lock()
	read, ok := l.watches.singles[h.xid]
	delete(l.watches.singles, h.xid)
	l.s.mu.Unlock()
	if !ok {
		return
	}
	if event := read.missed(h.code, body); event != 0 {
		l.owes = append(l.owes, lateEvent(event, read.path))
	}
	if read.open--; read.open == 0 {
		l.owes = append(l.owes, emptyReply(read.xid))
		if read.marks != 0 {
			l.s.rearmAnswered(l.watches, request{marks: read.marks}, 0)
		}
	}
}

// missed returns the event that the watch has missed, 0 if it is in force and
// has missed none. A read that failed left no watch, nor is there one for a list
// of children without reading the list, which can be long: the event makes the
// user of the watch read again.
func (r single) missed(code int32, stat []byte) int32 {
	absent := code == codeNoNode
	switch {
	case r.list == existList && absent:
		return 0
	case r.list == existList:
		return eventCreated
	case absent:
		return eventDeleted
	case r.list == childList:
		return eventChildrenChanged
	case code != 0 || parseStat(stat).Mzxid > r.pin:
		return eventDataChanged
	}
	return 0
}

// lateEvent encodes a watch event as servers send it.
func lateEvent(event int32, path string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(replyHeaderLen+12+len(path)))
	b = appendReplyHeader(b, xidEvent, -1)
	for _, v := range []int32{event, stateConnected, int32(len(path))} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return append(b, path...)
}

// emptyReply encodes a reply without a body. Its zxid says nothing.
func emptyReply(xid int32) []byte {
	return appendReplyHeader(binary.BigEndian.AppendUint32(nil, replyHeaderLen), xid, 0)
}

func appendReplyHeader(b []byte, xid int32, zxid int64) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(xid))
	b = binary.BigEndian.AppendUint64(b, uint64(zxid))
	return binary.BigEndian.AppendUint32(b, 0)
}
