package wire

import (
	"encoding/binary"
	"fmt"
)

// authFrames encodes the credentials as the frames that are written behind an
// accepted handshake.
//
// go-zookeeper would send them itself (AddAuth) and again on each link, but it
// waits for their answers before it starts to write, and for ever if that first
// write fails. Written here, a failure ends the link like any other. The server
// takes credentials in the order of the stream, so that whatever the driver
// sends next is judged by them, and their answers need not be waited for.
func authFrames(creds []Auth) []byte {
	var b []byte
	u32 := func(v int32) { b = binary.BigEndian.AppendUint32(b, uint32(v)) }
	for _, c := range creds {
		u32(int32(requestHeaderLen + 4 + 4 + len(c.Scheme) + 4 + len(c.Data)))
		u32(xidAuth)
		u32(opAuth)
		u32(0) // type, unused
		u32(int32(len(c.Scheme)))
		b = append(b, c.Scheme...)
		u32(int32(len(c.Data)))
		b = append(b, c.Data...)
	}
	return b
}

// sendAuth writes the credentials, as the last part of the handshake.
func (l *link) sendAuth() error {
	if len(l.s.auth) == 0 {
		return nil
	}
	if err := l.put(l.s.auth); err != nil {
		return fmt.Errorf("wire: sending credentials to %s: %w", l.peer(), err)
	}
	l.s.counters.framesOut.Add(uint64(len(l.s.opt.Auth)))
	return nil
}

// awaitsAuth reports whether a credential is unanswered. The driver's own auth
// requests have positive xids.
func (l *link) awaitsAuth() bool { return l.authAnswered < len(l.s.opt.Auth) }

// authReply handles the answer to the next credential. They come in order.
func (l *link) authReply(h replyHeader) error {
	scheme := l.s.opt.Auth[l.authAnswered].Scheme
	l.authAnswered++
	if h.code == 0 {
		return nil
	}
	err := fmt.Errorf("%w: %s rejected the %q credential (code %d)", ErrAuthFailed, l.peer(), scheme, h.code)
	if l.s.opt.OnAuthFailed != nil {
		l.s.opt.OnAuthFailed(scheme, err)
	}
	return l.fail(err)
}
