package framework

import "fmt"

// badReplies counts tries during which the connection was closed over a server's answer. Whose answer that was, the
// connection does not say; it is no accident when it happens to one request again and again. Without an end to it, one
// list that is too long would keep breaking the connection of everybody else.
type badReplies struct {
	seen uint64 // frames refused on the epoch's connections before the try
	n    int
}

// begin is called ahead of each try.
func (b *badReplies) begin(e *epoch) { b.seen = e.wire.Stats().Malformed }

// check returns an error with err, which the try has ended with, when another try would be one too many.
func (b *badReplies) check(e *epoch, err error) error {
	const accidents = 2
	if e.wire.Stats().Malformed > b.seen {
		b.n++
	}
	if b.n > accidents {
		return fmt.Errorf("%w (%w)", ErrReplyRefused, err)
	}
	return nil
}
