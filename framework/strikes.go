package framework

import "fmt"

// strikes counts tries of one request after which the connection was gone, when the request itself may be the reason: an
// answer was not accepted while it was under way, or it is longer than servers accept unless they are told to. Either says
// nothing of whose fault it was, but that it happens again and again is no accident. Without an end to it, one request
// would keep breaking the connection of everybody else.
type strikes struct {
	malformed uint64 // frames refused on the epoch's connections before the try
	n         int
}

// begin is called ahead of each try.
func (s *strikes) begin(e *epoch) { s.malformed = e.wire.Stats().Malformed }

// out returns an error when another try, of a request of size bytes, would be one too many. err is how the last one ended.
func (s *strikes) out(e *epoch, size int, err error) error {
	const accidents = 2
	refused, long := e.wire.Stats().Malformed > s.malformed, size+overhead > DefaultMaxRequestSize
	if refused || long {
		s.n++
	}
	switch {
	case s.n <= accidents:
		return nil
	case refused:
		return fmt.Errorf("%w (%w)", ErrReplyRefused, err)
	}
	return fmt.Errorf("%w: about %d bytes, over which the servers seem to close the connection; see their jute.maxbuffer (%w)", ErrTooLarge, size, err)
}
