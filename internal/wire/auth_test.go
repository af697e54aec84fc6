package wire

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twoCredentials are those of tests that need some.
func twoCredentials() []Auth { return []Auth{{"digest", []byte("u:s3cr3t"), 1}, {"ip", nil, 2}} }

func authRequest(scheme, data string) []byte {
	return requestFrame(xidAuth, opAuth, enc{}.i32(0).str(scheme).str(data))
}

func TestCredentialsGoFirstOnEveryLink(t *testing.T) {
	s := NewSession(Options{Auth: twoCredentials})
	for range 2 {
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, testTimeout, s.ID()))
		require.NoError(t, err)
		assert.Len(t, tp.written(t), 1, "nothing before the handshake is accepted")
		tp.feed(answerFrame(testTimeout, testSession))
		_, err = readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, [][]byte{authRequest("digest", "u:s3cr3t"), authRequest("ip", "")}, tp.written(t))

		// The answers are hidden from the driver, also in the middle of others.
		_, err = conn.Write(requestFrame(1, opDelete, enc{}.str("/a").i32(-1)))
		require.NoError(t, err)
		tp.feed(replyFrame(xidAuth, 0, 0, nil), replyFrame(1, 9, 0, nil), replyFrame(xidAuth, 0, 0, nil))
		got, err := readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, replyFrame(1, 9, 0, nil), got)
		nothingMore(t, conn)
		assert.Zero(t, conn.(*link).unrequested)
	}
	assert.EqualValues(t, 2*(1+2+1), s.Stats().FramesOut)
	assert.EqualValues(t, 2*(1+1+1), s.Stats().Writes, "the credentials leave in one")
}

// A credential that is presented while the link is open is sent there once. Later links have it from Options.Auth.
func TestCredentialThatComesUpLater(t *testing.T) {
	creds := twoCredentials()[:1]
	var told []string
	identified := 0
	s, conn, tp := opened(t, Options{
		Auth: func() []Auth { return creds },
		OnAuth: func(a Auth, err error) {
			assert.NoError(t, err)
			told = append(told, a.Scheme)
		},
		OnIdentified: func() { identified++ },
	})
	tp.feed(replyFrame(xidAuth, 0, 0, nil))
	nothingMore(t, conn)
	assert.Equal(t, 1, identified)
	tp.written(t)
	creds = twoCredentials()
	for range 2 {
		s.Present(creds[1])
	}
	assert.Equal(t, [][]byte{authRequest("ip", "")}, tp.written(t))
	tp.feed(replyFrame(xidAuth, 0, 0, nil))
	nothingMore(t, conn)
	assert.Equal(t, []string{"digest", "ip"}, told)
	assert.Equal(t, 2, identified)
	assert.Zero(t, conn.(*link).unrequested)

	tp.hangUp(io.EOF)
	_, err := readFrame(conn)
	require.ErrorIs(t, err, io.EOF)
	s.Present(Auth{"digest", []byte("v:s3cr3t"), 3}) // there is no link: nothing happens
	assert.Equal(t, [][]byte{authRequest("digest", "u:s3cr3t"), authRequest("ip", "")}, presented(t, s))
}

// presented opens a link, and returns what is sent on it behind the handshake.
func presented(t *testing.T, s *Session) [][]byte {
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, s.ID()))
	require.NoError(t, err)
	tp.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	require.NoError(t, err)
	return tp.written(t)[1:]
}

// A credential that comes up during the handshake is sent as soon as that is over.
func TestCredentialThatComesUpDuringTheHandshake(t *testing.T) {
	asked := 0
	s := NewSession(Options{Auth: func() []Auth {
		asked++
		return twoCredentials()[:asked]
	}})
	assert.Equal(t, [][]byte{authRequest("digest", "u:s3cr3t"), authRequest("ip", "")}, presented(t, s))
}

// Without credentials a client is identified when the link is established.
func TestIdentifiedWithoutCredentials(t *testing.T) {
	identified := 0
	opened(t, Options{OnIdentified: func() { identified++ }})
	assert.Equal(t, 1, identified)
}

func TestRejectedCredential(t *testing.T) {
	var scheme string
	var cause error
	s, conn, tp := opened(t, Options{Auth: twoCredentials, OnAuth: func(a Auth, err error) {
		scheme, cause = a.Scheme, err
	}})
	tp.feed(replyFrame(xidAuth, 0, 0, nil), replyFrame(xidAuth, 0, -115, nil))
	_, err := readFrame(conn)
	assert.ErrorIs(t, err, ErrAuthFailed)
	assert.ErrorIs(t, cause, ErrAuthFailed)
	assert.Equal(t, "ip", scheme)
	assert.NotContains(t, err.Error(), "s3cr3t")
	assert.True(t, tp.isClosed())
	shake(t, s, 0, testSession) // only the link has failed
}

// The driver's own attempt at this wedges it for ever; here the link fails and
// nothing is established that the driver does not know of.
func TestWriteFailureOfCredentials(t *testing.T) {
	s := NewSession(Options{Auth: twoCredentials, OnEstablished: func(Established) { t.Error("OnEstablished was called") }})
	broken := errors.New("broken pipe")
	tp := &tape{failAt: 2, failWith: broken}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, 0))
	require.NoError(t, err)
	tp.feed(answerFrame(testTimeout, testSession))
	n, err := conn.Read(make([]byte, 100))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, broken)
	assert.True(t, tp.isClosed())
	assert.Zero(t, s.ID())
	assert.True(t, s.LastAnswered().IsZero())

	s.opt.OnEstablished = nil
	shake(t, s, 0, 0)
}

// Answers to credentials do not prolong a session, so they are no sign of it.
func TestCredentialRepliesDoNotProlongTrust(t *testing.T) {
	s, conn, tp := opened(t, Options{Auth: twoCredentials})
	before := s.LastAnswered()
	tp.feed(replyFrame(xidAuth, 0, 0, nil), replyFrame(xidAuth, 0, 0, nil))
	nothingMore(t, conn)
	assert.Equal(t, before, s.LastAnswered())
}

// Without credentials of ours, a reply with their xid answers nothing.
func TestUnexpectedAuthReply(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	tp.feed(replyFrame(xidAuth, 0, -115, nil))
	nothingMore(t, conn)
	assert.Equal(t, 1, conn.(*link).unrequested)
	tp.hangUp(io.EOF)
	_, err := readFrame(conn)
	assert.ErrorIs(t, err, io.EOF)
}
