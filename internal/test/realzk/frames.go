package realzk

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"
)

// Frame is a request or its reply on the way through a proxy. Handshakes and watch
// events are not shown.
type Frame struct {
	Way  Direction // ToServer for a request, ToClient for a reply
	Op   int32     // opcode of the request, also in its reply
	Size int       // in bytes, without the length in front
}

// Verdict is what becomes of a frame.
type Verdict struct {
	kind verdictKind
	code int32
}

type verdictKind int

const (
	passFrame verdictKind = iota
	dropFrame
	cutFrame
	answerFrame
)

var (
	// Pass lets a frame go on.
	Pass = Verdict{}
	// Drop makes a frame vanish. The connection stays.
	Drop = Verdict{kind: dropFrame}
	// CutLink resets the connection in place of the frame. Earlier frames are
	// delivered.
	CutLink = Verdict{kind: cutFrame}
)

// AnswerWith replaces a reply by one with an error code. The server has processed the
// request. It means Pass for a request.
func AnswerWith(code int32) Verdict { return Verdict{answerFrame, code} }

// OnFrame has judge decide about each request and reply of the connections that
// clients make from now on. It is called from several goroutines.
func (p *Proxy) OnFrame(judge func(Frame) Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge = judge
}

// readers returns how a new link reads what comes from the client and from the server.
func (p *Proxy) readers() (fromClient, fromServer reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.judge != nil {
		t := &tap{judge: p.judge}
		return reader{readWhole, t.request}, reader{readWhole, t.reply}
	}
	fromClient, fromServer = reader{readSome, readSome}, reader{readSome, readSome}
	if p.preamble != nil {
		fromClient.first = p.preamble
	}
	return fromClient, fromServer
}

// reader is how to read from a connection at first, and how afterwards.
type reader struct {
	first, then func(io.Reader) ([]byte, error)
}

// errCutByVerdict ends a link.
var errCutByVerdict = errors.New("realzk: the connection is cut in place of a frame")

// Parts of ZooKeeper's protocol.
const (
	lengthSize  = 4
	replyHeader = 16 // xid, zxid, code
	eventXid    = -1
)

// tap sees the requests and replies of one link.
type tap struct {
	judge func(Frame) Verdict

	mu   sync.Mutex
	open []openRequest // in order
}

type openRequest struct{ xid, op int32 }

// readWhole reads one frame of a test, with its length.
func readWhole(from io.Reader) ([]byte, error) {
	frame := make([]byte, lengthSize)
	if _, err := io.ReadFull(from, frame); err != nil {
		return nil, err
	}
	frame = append(frame, make([]byte, binary.BigEndian.Uint32(frame))...)
	_, err := io.ReadFull(from, frame[lengthSize:])
	return frame, err
}

func field(frame []byte, at int) int32 {
	if len(frame) < lengthSize+at+4 {
		return 0
	}
	return int32(binary.BigEndian.Uint32(frame[lengthSize+at:]))
}

// request reads the next request that goes on.
func (t *tap) request(from io.Reader) ([]byte, error) {
	frame, err := readWhole(from)
	if err != nil {
		return nil, err
	}
	r := openRequest{xid: field(frame, 0), op: field(frame, 4)}
	switch v := t.judge(Frame{ToServer, r.op, len(frame) - lengthSize}); v.kind {
	case dropFrame:
		return nil, nil
	case cutFrame:
		return nil, errCutByVerdict
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = append(t.open, r)
	return frame, nil
}

// reply reads the next reply or event that goes on.
func (t *tap) reply(from io.Reader) ([]byte, error) {
	frame, err := readWhole(from)
	if err != nil || field(frame, 0) == eventXid {
		return frame, err
	}
	switch v := t.judge(Frame{ToClient, t.answered(field(frame, 0)), len(frame) - lengthSize}); v.kind {
	case dropFrame:
		return nil, nil
	case cutFrame:
		return nil, errCutByVerdict
	case answerFrame:
		frame = frame[:lengthSize+replyHeader]
		binary.BigEndian.PutUint32(frame, replyHeader)
		binary.BigEndian.PutUint32(frame[lengthSize+12:], uint32(v.code))
	}
	return frame, nil
}

// answered takes out the oldest request with that xid and returns its opcode.
func (t *tap) answered(xid int32) (op int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.open, func(r openRequest) bool { return r.xid == xid })
	if i < 0 {
		return 0
	}
	op = t.open[i].op
	t.open = slices.Delete(t.open, i, i+1)
	return op
}
