package wire

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// Body is what comes behind the header of a request.
type Body interface{ Encode(e *jute.Encoder) }

// Call is one request of docent's own, from the moment it is handed in until its
// reply has come or never will. Its fields are set before that, and not changed
// afterwards. A Call is used once.
type Call struct {
	Op   int32
	Path string // for errors; the request's own is in Body
	Body Body   // nil for none; not used any more once Send has returned

	// Decode is called in the reading goroutine with the body of a reply that
	// carries no error, ahead of the next frame. Nil if nobody wants it. What it
	// keeps it must copy. It writes nothing that its caller could read before
	// the call is over. What it returns becomes the error of the call.
	Decode func(*jute.Decoder) error

	// Answered is called behind Decode with the header of the reply, and before
	// Wait returns. Nil if nobody wants to know.
	Answered func(zxid int64, code int32)

	// Over is called with the error of the call, however it ends, before Wait returns
	// or what Left returned is closed: in the reading goroutine, ahead of the next
	// frame, if a reply has come. Nil if nobody wants to know.
	Over func(error)

	// Kind is what learns from how the call ends, and says whether it has to be alone on
	// the link. Nil for requests that every server knows.
	Kind Kind

	// Deadline ends the wait for the reply, as if gaveUp were closed. The zero time is none.
	Deadline time.Time

	// Written is closed when the request has been written to the socket, or
	// never will be. Nil if nobody wants to know.
	Written chan struct{}

	link  *link
	xid   int32
	size  int // of the frame
	place place
	alone bool // nothing else was unanswered while it was

	state atomic.Int32
	err   error
	back  chan struct{} // gets a token when the call is over and was not left, and one when its deadline has passed
	left  chan struct{} // closed when the call is over and was left
}

// The states of a Call.
const (
	callOpen    int32 = iota
	callExpired       // its deadline has passed
	callLeft
	callOver
)

var (
	// ErrNotSent says that a request has not left, and never will.
	ErrNotSent = errors.New("wire: the request was not sent")

	// ErrUnanswered says that a request was sent, in part or in whole, and that the
	// link has ended before the reply.
	ErrUnanswered = errors.New("wire: the connection ended before the reply")

	// ErrReplyTooLong says that the reply was longer than Options.MaxFrame.
	ErrReplyTooLong = errors.New("wire: the reply is too long")
)

// CodeError is an error code in a reply.
type CodeError struct{ Code int32 }

// Error names the code.
func (e *CodeError) Error() string { return fmt.Sprintf("error code %d", e.Code) }

// Send hands calls in, in this order and with nothing between them. An error wraps
// ErrNotSent: none of them has left.
func (s *Session) Send(calls ...*Call) error {
	l := s.current.Load()
	if l == nil {
		return ErrNotSent
	}
	return l.handIn(calls)
}

// Await returns when the call is over, its Deadline has passed, or gaveUp is closed, and reports whether the call
// is over. The call is not left: Wait must follow.
func (c *Call) Await(gaveUp <-chan struct{}) (over bool) {
	select {
	case <-c.back:
	case <-gaveUp:
	}
	return c.state.Load() == callOver
}

// Wait returns when the call is over, its Deadline has passed, or gaveUp is closed. The error is nil for an
// answer without an error, a *CodeError for one with, or wraps ErrNotSent,
// ErrUnanswered, ErrReplyTooLong or ErrMalformed. over is false if the call was
// left: Left tells when it is over then, and what its error is. A request that has
// not left by then is taken back.
func (c *Call) Wait(gaveUp <-chan struct{}) (over bool, err error) {
	if c.state.Load() == callOver {
		return true, c.err
	}
	select {
	case <-c.back:
		if c.state.Load() == callOver {
			return true, c.err
		}
	case <-gaveUp:
	}
	if c.link.takeBack(c) {
		c.finish(ErrNotSent)
		<-c.back
		return true, c.err
	}
	c.left = make(chan struct{})
	if c.state.CompareAndSwap(callOpen, callLeft) || c.state.CompareAndSwap(callExpired, callLeft) {
		return false, nil
	}
	return true, c.err // an answer that is there is better than a doubt
}

// Left returns a channel that is closed when a call that was left is over, and its
// error, which may be read then.
func (c *Call) Left() (over <-chan struct{}, err *error) { return c.left, &c.err }

// expire ends the wait for the call.
func (c *Call) expire() {
	if c.state.CompareAndSwap(callOpen, callExpired) {
		c.back <- struct{}{}
	}
}

// finish ends the call.
func (c *Call) finish(err error) {
	c.err = err
	if c.Kind != nil {
		c.Kind.Ended(c.alone, err)
	}
	if c.Over != nil {
		c.Over(err)
	}
	if c.state.Swap(callOver) == callLeft {
		close(c.left)
		return
	}
	c.back <- struct{}{}
}

// notSent ends a call that was neither gathered nor written.
func (c *Call) notSent(err error) {
	if c.Written != nil {
		close(c.Written)
	}
	c.finish(err)
}

// answered ends the call with the reply.
func (c *Call) answered(h replyHeader, body *jute.Decoder) {
	var err error
	switch {
	case h.code != 0:
		err = &CodeError{h.code}
	case c.Decode != nil:
		err = c.Decode(body)
		if body.Err() != nil {
			err = fmt.Errorf("%w: the reply to %s %s: %w", ErrMalformed, opName(c.Op), c.Path, body.Err())
		}
	}
	if c.Answered != nil {
		c.Answered(h.zxid, h.code)
	}
	c.finish(err)
}
