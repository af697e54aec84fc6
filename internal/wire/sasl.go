package wire

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/docent-zk/docent/internal/jute"
)

const (
	// maxToken is the longest token of a server that is accepted, in bytes. A Kerberos ticket with a long list of groups takes 48 KiB.
	maxToken = 64 << 10
	// saslXid is the first of an exchange's requests.
	saslXid = 1 << 16
	// maxRounds is how many messages an exchange may take. The mechanisms that are in use take three.
	maxRounds = 16
)

// SASL begins an exchange with the server at that address. Ctx ends with the handshake.
type SASL func(ctx context.Context, peer net.Addr) (Exchange, error)

// Exchange is the client's side of an authentication. See package sasl. If it has a method Refused(error) error, that is called with a
// refusal of the server, and what it returns is reported in its place.
type Exchange interface {
	Next(ctx context.Context, challenge []byte) (response []byte, done bool, err error)
}

// authenticate makes the exchange of Options.SASL, as a part of the handshake: until it is over nothing else is sent, and
// a failure costs no more than this link.
func (l *link) authenticate() error {
	if l.s.opt.SASL == nil {
		return nil
	}
	ctx, cancel := context.WithDeadline(context.Background(), l.limits.ends())
	defer cancel()
	l.usage.cancelWith(cancel)
	err := l.exchange(ctx)
	var refused *refusal
	if !errors.As(err, &refused) {
		return err
	}
	if ended := l.halted(); ended != nil { // which has cancelled ctx
		return ended
	}
	if l.s.opt.OnSASLFailed != nil {
		l.s.opt.OnSASLFailed(refused.err)
	}
	return fmt.Errorf("%w: %s: %w", ErrAuthFailed, l.peer(), refused.err)
}

// refusal is an end of an exchange that is not one of the connection.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

func (l *link) exchange(ctx context.Context) error {
	x, err := l.s.opt.SASL(ctx, l.conn.RemoteAddr())
	if err != nil {
		return &refusal{err}
	}
	var challenge []byte
	for round := range int32(maxRounds) {
		response, done, err := x.Next(ctx, challenge)
		if err != nil {
			return &refusal{err}
		}
		if done && response == nil {
			return nil
		}
		if challenge, err = l.token(saslXid+round, response); err != nil {
			return explained(x, err)
		}
		if challenge == nil && (!done || round == 0) {
			return explained(x, &refusal{ErrNoSASL})
		}
		if done {
			return nil
		}
	}
	return &refusal{fmt.Errorf("the exchange is not over after %d messages", maxRounds)}
}

// explained gives an exchange that wants it the chance to say why the server has refused it.
func explained(x Exchange, err error) error {
	var refused *refusal
	if explains, ok := x.(interface{ Refused(err error) error }); ok && errors.As(err, &refused) {
		refused.err = explains.Refused(refused.err)
	}
	return err
}

// ErrNoSASL says that a server answered as servers without a JAAS configuration do.
var ErrNoSASL = errors.New("the server does not take part in the exchange")

// token sends one message of the exchange and returns the answer, nil if it is null.
func (l *link) token(xid int32, message []byte) ([]byte, error) {
	if err := l.put(saslFrame(xid, message)); err != nil {
		return nil, fmt.Errorf("wire: authenticating to %s: %w", l.peer(), err)
	}
	l.s.counters.framesOut.Add(1)
	frame, err := l.in.next(meter{l}, replyHeaderLen, maxToken)
	if err != nil {
		return nil, err
	}
	l.s.counters.framesIn.Add(1)
	body := frame[prefixLen:]
	switch h := parseReplyHeader(body); {
	case h.xid != xid:
		return nil, l.malformed("an answer to request %d instead of %d of the authentication", h.xid, xid)
	case h.code != 0:
		return nil, &refusal{fmt.Errorf("the server refuses this identity (code %d)", h.code)}
	}
	body = body[replyHeaderLen:]
	if len(body) < 4 {
		return nil, l.malformed("an answer without a token to the authentication")
	}
	n := int(int32At(body, 0))
	switch {
	case n == -1:
		return nil, nil
	case n < 0 || n > len(body)-4:
		return nil, l.malformed("a token of %d bytes in an answer of %d", n, len(body))
	}
	return append([]byte{}, body[4:4+n]...), nil
}

// saslFrame is a request of the exchange.
func saslFrame(xid int32, token []byte) []byte {
	var e jute.Encoder
	mark := e.BeginFrame()
	(&jute.RequestHeader{Xid: xid, Op: opSASL}).Encode(&e)
	e.Buffer(append([]byte{}, token...)) // nil is an empty token
	e.EndFrame(mark)
	return e.Bytes()
}
