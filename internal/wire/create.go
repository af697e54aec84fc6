package wire

import "encoding/binary"

// maxCreate2Deaths is how many links may be lost over an unanswered create2
// before it is taken for the reason. One loss happens to anybody.
const maxCreate2Deaths = 2

// create2 is what is known about the server's support for it. It is guarded by
// Session.mu.
type create2 struct {
	known  bool // one was answered as such
	deaths int  // links lost while one was unanswered
}

// upgrades reports whether a request leaves as create2.
func (s *Session) upgrades(op int32) bool {
	return op == opCreate && s.opt.OnCreated != nil && !s.noStat.Load()
}

// upgraded returns a copy of a create frame, in scratch, as create2.
func upgraded(scratch, frame []byte) []byte {
	scratch = append(scratch[:0], frame...)
	binary.BigEndian.PutUint32(scratch[prefixLen+4:], opCreate2)
	return scratch
}

// create2Answered draws the conclusion from an answer.
func (s *Session) create2Answered(code int32) {
	if code == codeUnimplemented {
		s.abandonCreate2("the server answers that it is not implemented")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.create2.known = true
}

// create2Lost counts a link that the server ended while a create2 was
// unanswered.
func (s *Session) create2Lost() {
	s.mu.Lock()
	s.create2.deaths++
	blame := !s.create2.known && s.create2.deaths >= maxCreate2Deaths
	s.mu.Unlock()
	if blame {
		s.abandonCreate2("the server closes the connection instead of answering")
	}
}

func (s *Session) abandonCreate2(why string) {
	if s.noStat.CompareAndSwap(false, true) {
		s.log.Warn("create2 is not supported; creates go out unchanged", "reason", why)
	}
}

// noteCreated reports a successful create whose reply carries a Stat. The reply
// conforms to its layout.
func (s *Session) noteCreated(body []byte) {
	w := walker{rest: body}
	path := w.text()
	if stat := w.skip(statLen); stat != nil && s.opt.OnCreated != nil {
		s.opt.OnCreated(string(path), parseStat(stat))
	}
}
