package framework

import "fmt"

// strikes counts tries of one request after which the connection was gone, when the request itself may be the reason: an
// answer was not accepted while it was under way, or it is longer than servers accept unless they are told to. Either says
// nothing of whose fault it was, but that it happens again and again is no accident. Without an end to it, one request
// would keep breaking the connection of everybody else.
//
// A request whose answer is short is never the reason, however often others break the connection that it is on.
type strikes struct {
	long      bool   // its answer can be
	malformed uint64 // frames refused on the epoch's connections before the try
	n         int
}

// begin is called ahead of each try, and told whether the answer to it can be long.
func (s *strikes) begin(e *epoch, long bool) {
	s.long, s.malformed = long, e.wire.Stats().Malformed
}

// out returns an error when another try, of a request of size bytes, would be one too many. err is how the last one ended.
func (s *strikes) out(e *epoch, size int, err error) error {
	const accidents = 2
	refused, long := s.long && e.wire.Stats().Malformed > s.malformed, size+overhead > DefaultMaxRequestSize
	if refused || long {
		s.n++
	}
	switch {
	case s.n <= accidents:
		return nil
	case refused:
		return fmt.Errorf("%w (%w)", ErrReplyRefused, err)
	case long:
		return fmt.Errorf("%w: about %d bytes, over which the servers seem to close the connection; see their jute.maxbuffer (%w)", ErrTooLarge, size, err)
	}
	return nil
}

// answeredAtLength reports whether the answer to an operation can be long: data, names, an ACL, or results. The others are
// answered with a Stat or a path. The look at what became of a create reads data or names.
func answeredAtLength(op string, settling bool) bool {
	switch op {
	case "exists", "watchExists", "watchTree", "changedSince", "sync", "set", "setACL", "delete":
		return false
	case "create":
		return settling
	}
	return true
}

// MaxReplySize is Config.MaxReplySize, or its default: the largest reply that the client accepts, in bytes.
func (c *Client) MaxReplySize() int { return c.core.cfg.MaxReplySize }
