package wire

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// Body is the part of a request after the header.
type Body interface{ Encode(e *jute.Encoder) }

// Call is a request of docent, until its reply has come or never will. Its fields are set before Send, and not changed
// afterwards. A Call is used once.
type Call struct {
	Op   int32
	Path string // for errors; the request's own is in Body
	Body Body   // nil for none; not used after Send has returned

	// Decode is called in the reading goroutine with the body of a reply without an error, before the next frame. It
	// may be nil. It must copy what it keeps, and must not write anything that its caller could read before the call
	// has ended. Its error becomes the error of the call.
	Decode func(*jute.Decoder) error

	// Answered is called after Decode with the header of the reply, before Wait returns. It may be nil.
	Answered func(zxid int64, code int32)

	// Over is called with the error of the call, however it ends, before Wait returns or the channel of Left is closed.
	// If there was a reply, it is called in the reading goroutine, before the next frame. It may be nil.
	Over func(error)

	// Kind learns from the end of the call, and says whether the call must be alone on the link. It is nil for requests
	// that every server supports.
	Kind Kind

	// Deadline ends the wait for the reply, as if gaveUp were closed. The zero time is none.
	Deadline time.Time

	// Written is closed when the request has been written to the socket, or never will be. It may be nil.
	Written chan struct{}

	link  *link
	xid   int32
	size  int // of the frame
	place place
	alone bool // nothing else was unanswered while it was

	state atomic.Int32
	err   error
	back  chan struct{} // receives a token when the call has ended and was not left, and one when its deadline has passed
	left  chan struct{} // closed when a call that was left has ended
}

// The states of a Call.
const (
	callOpen    int32 = iota
	callExpired       // its deadline has passed
	callLeft
	callOver
)

var (
	// ErrNotSent means that a request was not sent, and never will be.
	ErrNotSent = errors.New("wire: the request was not sent")

	// ErrUnanswered means that a request was sent, in part or completely, and that the link ended before the reply.
	ErrUnanswered = errors.New("wire: the connection ended before the reply")

	// ErrReplyTooLong means that the reply was longer than Options.MaxFrame.
	ErrReplyTooLong = errors.New("wire: the reply is too long")
)

// CodeError is an error code in a reply.
type CodeError struct{ Code int32 }

// Error names the code.
func (e *CodeError) Error() string { return fmt.Sprintf("error code %d", e.Code) }

// Send passes calls on, in this order and with no others in between. An error wraps ErrNotSent: none of them was sent.
func (s *Session) Send(calls ...*Call) error {
	l := s.current.Load()
	if l == nil {
		return ErrNotSent
	}
	return l.handIn(calls)
}

// Await returns when the call has ended, its Deadline has passed, or gaveUp is closed. It reports whether the call has
// ended. Wait must follow.
func (c *Call) Await(gaveUp <-chan struct{}) (over bool) {
	select {
	case <-c.back:
	case <-gaveUp:
	}
	return c.state.Load() == callOver
}

// Wait returns when the call has ended, its Deadline has passed, or gaveUp is closed. The error is nil for a reply
// without an error and a *CodeError for one with an error; otherwise it wraps ErrNotSent, ErrUnanswered,
// ErrReplyTooLong or ErrMalformed. If over is false, the call was left: Left says when it ends, and with which error. A
// request that has not been sent by then is withdrawn.
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
	return true, c.err // a reply that has arrived is better than a doubt
}

// Left returns a channel that is closed when a call that was left has ended, and its error, which may be read then.
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
