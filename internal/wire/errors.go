package wire

import (
	"errors"
	"fmt"
	"net"
)

// Conditions that end a link or the whole session. They are wrapped: test for
// them with errors.Is.
var (
	// ErrFenced is wrapped, together with the cause given to Fence, by every
	// error that follows a Fence.
	ErrFenced = errors.New("wire: the session is fenced")

	// ErrExpired is the cause of the fence when the server answered a resume
	// with session id 0.
	ErrExpired = errors.New("the server says that the session has expired")

	// ErrForeignSession is the cause of the fence when the server answered a
	// resume with another session, or the driver asked for one that is not
	// the session of this epoch.
	ErrForeignSession = errors.New("the connection belongs to another session")

	// ErrSecondSession is the cause of the fence when the driver asked for a
	// new session although this epoch has had one.
	ErrSecondSession = errors.New("the driver asked for a second session")

	// ErrRefused ends a link whose server did not open the session asked for.
	ErrRefused = errors.New("wire: the server did not open a session")

	// ErrReadOnly ends a link whose server serves only reads, and is not accepted.
	ErrReadOnly = errors.New("wire: the server serves only reads, because it has lost contact with the majority of its ensemble")

	// ErrMalformed ends a link on which a frame violated the protocol.
	ErrMalformed = errors.New("wire: malformed frame")

	// ErrAuthFailed ends a link on which the server rejected a credential, or the exchange of SASL failed.
	ErrAuthFailed = errors.New("wire: authentication failed")

	// ErrHungUp ends a link that the server has closed, or whose connection has failed.
	ErrHungUp = errors.New("wire: the server closed the connection")

	// ErrTooManyRequests ends a link with more unanswered requests than a working server would leave.
	ErrTooManyRequests = errors.New("wire: too many unanswered requests")
)

// errNoCause replaces a nil cause.
var errNoCause = errors.New("no cause given")

// errSuperseded ends a link that was still open when the driver dialled again: two connections would take the session
// from each other.
var errSuperseded = errors.New("another connection took its place")

// stop is the reason why a link or session has ended.
type stop struct{ err error }

// hungUp makes an error of the connection match ErrHungUp.
type hungUp struct{ error }

func (e *hungUp) Unwrap() error        { return e.error }
func (e *hungUp) Is(target error) bool { return target == ErrHungUp }

func (l *link) malformed(format string, args ...any) error {
	return fmt.Errorf("%w from %s: %s", ErrMalformed, l.peer(), fmt.Sprintf(format, args...))
}

func (l *link) closedError() error {
	return fmt.Errorf("wire: the link to %s is closed: %w", l.peer(), net.ErrClosed)
}
