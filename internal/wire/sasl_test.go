package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// steps is an exchange that says what a test wants, and hears what the server says.
type steps struct {
	says  []string
	heard []string
	err   error // at the end
}

func (x *steps) Next(_ context.Context, challenge []byte) (response []byte, done bool, err error) {
	x.heard = append(x.heard, string(challenge))
	if len(x.says) == 0 {
		return nil, x.err == nil, x.err
	}
	response, x.says = []byte(x.says[0]), x.says[1:]
	return response, false, nil
}

func (x *steps) begin(context.Context, net.Addr) (Exchange, error) { return x, nil }

func token(xid int32, text string) []byte { return replyFrame(xid, 0, 0, enc{}.str(text)) }

// The exchange comes first on each link; then credentials, then calls. The driver sees the answer to its handshake only.
func TestSASLGoesFirst(t *testing.T) {
	var x *steps
	s := NewSession(Options{Auth: twoCredentials, SASL: func(context.Context, net.Addr) (Exchange, error) {
		x = &steps{says: []string{"", "response"}}
		return x, nil
	}})
	for range 2 {
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, testTimeout, s.ID()))
		require.NoError(t, err)
		tp.written(t)
		tp.feed(answerFrame(testTimeout, testSession), token(saslXid, "challenge"), token(saslXid+1, "proof"))
		got, err := readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, answerFrame(testTimeout, testSession), got)
		assert.Equal(t, []string{"", "challenge", "proof"}, x.heard)
		assert.Equal(t, [][]byte{
			requestFrame(saslXid, opSASL, enc{}.str("")), requestFrame(saslXid+1, opSASL, enc{}.str("response")),
			authRequest("digest", "u:s3cr3t"), authRequest("ip", ""),
		}, tp.written(t))
	}
}

// Whatever goes wrong costs the link only, and is reported if it is more than a broken connection.
func TestSASLThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		answer  []byte
		end     error
		refused bool
		says    string
	}{
		"refused":             {replyFrame(saslXid, 0, -115, nil), nil, true, "code -115"},
		"not offered":         {replyFrame(saslXid, 0, 0, enc{}.i32(-1)), nil, true, "does not take part"},
		"no proof":            {token(saslXid, "challenge"), errors.New("no proof"), true, "no proof"},
		"another request's":   {token(7, "challenge"), nil, false, "request 7"},
		"no token":            {replyFrame(saslXid, 0, 0, nil), nil, false, "without a token"},
		"a length that lies":  {replyFrame(saslXid, 0, 0, enc{}.i32(1<<30)), nil, false, "a token of"},
		"a length below zero": {replyFrame(saslXid, 0, 0, enc{}.i32(-2)), nil, false, "a token of"},
		"a frame that lies":   {[]byte{0x7f, 0, 0, 0}, nil, false, "out of range"},
		"the end":             {nil, nil, false, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var told error
			x := &steps{says: []string{""}, err: c.end}
			s := NewSession(Options{SASL: x.begin, OnSASLFailed: func(err error) { told = err }})
			tp := &tape{}
			conn, err := s.Wrap(tp)
			require.NoError(t, err)
			_, err = conn.Write(connectFrame(0, testTimeout, 0))
			require.NoError(t, err)
			tp.feed(answerFrame(testTimeout, testSession), c.answer)
			if c.answer == nil {
				tp.hangUp(io.EOF)
			}
			_, err = readFrame(conn)
			require.ErrorContains(t, err, c.says)
			assert.Equal(t, c.refused, errors.Is(err, ErrAuthFailed))
			assert.Equal(t, c.refused, told != nil)
			assert.True(t, tp.isClosed())
			assert.Zero(t, s.ID(), "nothing is established")
		})
	}
}
