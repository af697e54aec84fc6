package framework

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/docent-zk/docent/internal/wire"
)

// strikes counts tries of one request after which the connection was gone, when the request itself may be the reason: an
// answer was not accepted while it was under way. It says nothing of whose fault it was, but that it happens again and again is no
// accident. Without an end to it, one request would keep breaking the connection of everybody else.
//
// A request whose answer is short is never the reason, however often others break the connection that it is on.
type strikes struct {
	long      bool   // its answer can be
	malformed uint64 // frames refused on the epoch's connections before the try
	n         int
}

// accidents is how many connections may end over one request before it is given up.
const accidents = 2

// begin is called ahead of each try, and told whether the answer to it can be long.
func (s *strikes) begin(e *epoch, long bool) {
	s.long, s.malformed = long, e.wire.Stats().Malformed
}

// out returns an error when another try would be one too many. err is how the last one ended.
func (s *strikes) out(e *epoch, err error) error {
	if !s.long || e.wire.Stats().Malformed == s.malformed {
		return nil
	}
	if s.n++; s.n <= accidents {
		return nil
	}
	return fmt.Errorf("%w (%w)", ErrReplyRefused, err)
}

// isLong reports whether servers may close the connection over a request of that many bytes: see their jute.maxbuffer.
func isLong(size int) bool { return size > 64<<10 }

// oversize is the suspicion that servers close the connection over the length of one request. It implements wire.Kind: the
// request is sent alone once a connection has been lost over it, and further losses count only then.
type oversize struct{ lost atomic.Int32 }

// Alone implements wire.Kind.
func (o *oversize) Alone() bool { return o.lost.Load() > 0 }

// Ended implements wire.Kind.
func (o *oversize) Ended(alone bool, err error) {
	if isLoss(err) && (alone || o.lost.Load() == 0) {
		o.lost.Add(1)
	}
}

// out returns an error when another try would be one too many, of a request of size bytes.
func (o *oversize) out(size int, err error) error {
	if o == nil || o.lost.Load() <= accidents {
		return nil
	}
	return fmt.Errorf("%w: about %d bytes, over which the servers seem to close the connection; see their jute.maxbuffer (%w)", ErrTooLarge, size, err)
}

type oversizeKey struct{}

// oversized returns what judges the long queries of a try.
func oversized(ctx context.Context) wire.Kind {
	if o, ok := ctx.Value(oversizeKey{}).(*oversize); ok {
		return o
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
