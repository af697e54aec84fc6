package framework

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/docent-zk/docent/internal/wire"
)

// accidents is how many connections may end over one request before it is given up.
const accidents = 2

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

// MaxReplySize is Config.MaxReplySize, or its default: the largest reply that the client accepts, in bytes.
func (c *Client) MaxReplySize() int { return c.core.cfg.MaxReplySize }
