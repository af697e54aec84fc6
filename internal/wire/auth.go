package wire

import (
	"fmt"
	"slices"
	"sync"

	"github.com/docent-zk/docent/internal/jute"
)

// Auth is a credential: a scheme known to the server, such as "digest", and its
// data, such as "user:password".
type Auth struct {
	Scheme string
	Data   []byte
	ID     uint64 // tells credentials apart: Present sends each once on a link
}

// credentials are the credentials of one link. Servers answer them in the order in which they were sent.
type credentials struct {
	mu       sync.Mutex
	sent     []Auth
	answered int
}

// authFrames encodes the credentials as the frames that follow an accepted handshake.
//
// go-zookeeper could send them itself (AddAuth), also again on each link. But it waits for their replies before it
// starts to write, and for ever if that first write fails. Here, a failure ends the link like any other. The server
// processes the stream in order, so later requests of the driver are judged by the credentials, and their replies need
// not be awaited.
func authFrames(creds []Auth) []byte {
	var e jute.Encoder
	for _, c := range creds {
		mark := e.BeginFrame()
		(&jute.RequestHeader{Xid: xidAuth, Op: opAuth}).Encode(&e)
		(&jute.AuthRequest{Scheme: c.Scheme, Auth: append([]byte{}, c.Data...)}).Encode(&e) // empty data, never none
		e.EndFrame(mark)
	}
	return e.Bytes()
}

// auth returns the credentials of links that begin now.
func (s *Session) auth() []Auth {
	if s.opt.Auth == nil {
		return nil
	}
	return s.opt.Auth()
}

// sendAuth writes the credentials, as the last part of the handshake.
func (l *link) sendAuth() error {
	creds := slices.Clone(l.s.auth())
	if len(creds) == 0 {
		return nil
	}
	l.creds.mu.Lock()
	l.creds.sent = creds
	l.creds.mu.Unlock()
	if err := l.put(authFrames(creds)); err != nil {
		return fmt.Errorf("wire: sending credentials to %s: %w", l.peer(), err)
	}
	l.s.counters.framesOut.Add(uint64(len(creds)))
	return nil
}

// Present sends a credential on the current link, unless it has been sent there already. Options.Auth must return it by
// then, for later links. Without a link it does nothing.
func (s *Session) Present(a Auth) {
	if l := s.current.Load(); l != nil {
		l.present(a)
	}
}

// present does not record the frame as a request: a server answers it before earlier requests, which would look lost.
func (l *link) present(a Auth) {
	w := &l.writer
	w.mu.Lock()
	if w.closed || !l.creds.add(a) {
		w.mu.Unlock()
		return
	}
	w.queue.add(nil, authFrames([]Auth{a}))
	l.s.counters.framesOut.Add(1)
	l.gathered(1)
}

// add records a credential that is being sent. It reports false if it was sent before.
func (c *credentials) add(a Auth) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.sent, func(b Auth) bool { return a.ID == b.ID }) {
		return false
	}
	c.sent = append(c.sent, a)
	return true
}

// any reports whether there are credentials.
func (c *credentials) any() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.sent) > 0
}

// presentNew sends the credentials that were added since the handshake.
func (l *link) presentNew() {
	for _, a := range l.s.auth() {
		l.present(a)
	}
}

// next returns the credential of the next reply, and whether all are answered with it.
func (c *credentials) next() (a Auth, all, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered >= len(c.sent) {
		return Auth{}, false, false
	}
	a = c.sent[c.answered]
	c.answered++
	return a, c.answered == len(c.sent), true
}

// authReply handles the reply to the next credential. Replies come in order. It reports false if none is unanswered:
// the driver's own auth requests have positive xids.
func (l *link) authReply(h replyHeader) (ok bool, err error) {
	a, all, ok := l.creds.next()
	if !ok {
		return false, nil
	}
	if h.code != 0 {
		err = fmt.Errorf("%w: %s rejected the %q credential (code %d)", ErrAuthFailed, l.peer(), a.Scheme, h.code)
	}
	if l.s.opt.OnAuth != nil {
		l.s.opt.OnAuth(a, err)
	}
	switch {
	case err != nil:
		return true, l.fail(err)
	case all:
		l.identified()
	}
	return true, nil
}

// identified is called when the server has accepted all credentials of the client on this link.
func (l *link) identified() {
	if l.s.opt.OnIdentified != nil {
		l.s.opt.OnIdentified()
	}
}
