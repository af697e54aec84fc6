package wire

import "encoding/binary"

const (
	// maybeMoreLen is the length from which a setWatches may have a successor:
	// half of where the driver splits.
	maybeMoreLen = 64 << 10
	// relativeZxidAt is the field's place in a setWatches frame with prefix.
	relativeZxidAt = prefixLen + requestHeaderLen
)

// rearming is what is known about the watches of one link; see "Catching up" in
// the package documentation. It is guarded by Session.mu.
type rearming struct {
	first  bool  // nothing to re-arm
	since  int64 // what the driver had seen when it asked for the link
	seen   bool  // a setWatches of this link was sent
	open   int   // how many of them are unanswered
	failed bool  // one was answered with an error
	more   bool  // the latest may have a successor
	proven bool  // a later ping was answered: none is held back

	singles map[int32]single // unanswered reads that stand in for setWatches
}

// settled reports whether all setWatches seen so far were answered, and the
// last of them looks like the last.
func (r *rearming) settled() bool { return r.seen && r.open == 0 && !r.failed && !r.more }

// complete reports whether every watch of the driver was armed on the link.
func (r *rearming) complete() bool { return r.first || r.proven && r.settled() }

// openLink starts the bookkeeping of a link whose ConnectRequest said since, and
// settles what the previous one was worth. s.mu is held.
func (s *Session) openLink(since int64) *rearming {
	if s.watches == nil || s.watches.complete() {
		s.caughtUp = since
	}
	s.watches = &rearming{first: s.watches == nil, since: since}
	return s.watches
}

// rearmSent notes that a setWatches goes out and returns the relativeZxid that
// it has to carry. One that was built before the link was asked for is left
// over from an earlier link and proves nothing about this one.
func (s *Session) rearmSent(r *rearming, frame []byte) (pin int64, m marks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64At(frame, relativeZxidAt) < r.since {
		return s.caughtUp, 0
	}
	r.seen = true
	r.open++
	r.more = len(frame)-prefixLen > maybeMoreLen
	r.proven = false
	return s.caughtUp, markRearm
}

// pingSent returns the mark for a ping whose answer will prove that the
// setWatches seen so far were all.
func (s *Session) pingSent(r *rearming) marks {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.settled() && !r.proven {
		return markProof
	}
	return 0
}

// rearmAnswered notes the answer to a marked setWatches or ping. By the time
// that the next frame is looked at, the driver has processed this one and all
// events before it.
func (s *Session) rearmAnswered(r *rearming, req request, code int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.has(markRearm) {
		r.open--
		r.failed = r.failed || code != 0
		s.rearmDeaths = 0
	}
	if req.has(markProof) {
		r.proven = r.settled()
	}
}

// pinned returns a copy of a setWatches frame, in scratch, with another
// relativeZxid.
func pinned(scratch, frame []byte, zxid int64) []byte {
	scratch = append(scratch[:0], frame...)
	binary.BigEndian.PutUint64(scratch[relativeZxidAt:], uint64(zxid))
	return scratch
}
