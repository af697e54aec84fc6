package wire

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// greetReadOnly answers a handshake as a server does that serves only reads. It returns the ConnectRequest, and what the driver reads.
func greetReadOnly(t *testing.T, s *Session, asked, answered int64) (request []byte, err error) {
	t.Helper()
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, asked))
	require.NoError(t, err)
	sent := tp.written(t)
	answer := answerFrame(testTimeout, answered)
	tp.feed(flaggedFrame(answer, 1))
	_, err = readFrame(conn)
	return sent[0], err
}

// accepting accepts read-only servers, or not.
func accepting(yes bool) func() bool { return func() bool { return yes } }

func TestConnectRequestSaysWhetherReadOnlyServersAreAccepted(t *testing.T) {
	fresh, resumed := connectFrame(0, testTimeout, 0), connectFrame(0, testTimeout, testSession)
	for name, c := range map[string]struct {
		options Options
		session int64
		want    []byte
	}{
		"not configured":           {Options{}, 0, flaggedFrame(fresh, 0)},
		"new session":              {Options{ReadOnly: accepting(true)}, 0, flaggedFrame(fresh, 1)},
		"session that began fully": {Options{ReadOnly: accepting(true)}, testSession, flaggedFrame(resumed, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			request, _ := greetReadOnly(t, NewSession(c.options), c.session, c.session+1)
			assert.Equal(t, c.want, request)
		})
	}
}

func TestConnectRequestThatHasTheByteIsLeftAlone(t *testing.T) {
	s := NewSession(Options{})
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	ask := flaggedFrame(connectFrame(0, testTimeout, 0), 1)
	_, err = conn.Write(ask)
	require.NoError(t, err)
	assert.Equal(t, [][]byte{ask}, tp.written(t))
}

func TestReadOnlyServerIsNotAcceptedUnlessTheSessionBeginsThere(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		session int64
	}{
		"not configured":           {Options{}, 0},
		"not now":                  {Options{ReadOnly: accepting(false)}, 0},
		"session that began fully": {Options{ReadOnly: accepting(true)}, testSession},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSession(c.options)
			if c.session != 0 {
				shake(t, s, 0, 0)
			}
			_, err := greetReadOnly(t, s, c.session, testSession)
			assert.ErrorIs(t, err, ErrReadOnly)
			assert.False(t, s.ReadOnly())
			shake(t, s, 0, c.session) // the session is not harmed
		})
	}
}

func TestRepliesOfReadOnlyServerProveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Established
		s := NewSession(Options{ReadOnly: accepting(true), OnEstablished: func(e Established) { got = append(got, e) }})
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		begun := time.Now()
		_, err = conn.Write(connectFrame(0, testTimeout, 0))
		require.NoError(t, err)
		tp.written(t)
		tp.feed(flaggedFrame(answerFrame(testTimeout, testSession), 1))
		_, err = readFrame(conn)
		require.NoError(t, err)
		require.Len(t, got, 1)
		assert.True(t, got[0].ReadOnly)
		assert.True(t, s.ReadOnly())
		assert.Equal(t, testSession, s.ID())
		assert.Equal(t, begun, s.LastHeard())

		time.Sleep(time.Second)
		sent := time.Now()
		exchange(t, conn, tp, pingFrame, replyFrame(xidPing, 77, 0, nil))
		assert.Equal(t, sent, s.LastHeard())
		assert.Zero(t, s.LastAnswered())
		assert.Zero(t, s.LastZxid())
		assert.EqualValues(t, 77, s.LinkZxid())
	})
}
