package framework

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/docent-zk/docent/internal/wire"
)

// accidents is how many connections may end during one request before the request fails.
const accidents = 2

// isLong reports whether servers may close the connection because of a request of that many bytes: see their
// jute.maxbuffer.
func isLong(size int) bool { return size > 64<<10 }

// oversize suspects that servers close the connection because of the length of one request. It implements wire.Kind:
// once a connection has been lost, the request is sent alone, and only then do further losses count.
type oversize struct{ lost atomic.Int32 }

// Alone implements wire.Kind.
func (o *oversize) Alone() bool { return o.lost.Load() > 0 }

// Ended implements wire.Kind.
func (o *oversize) Ended(alone bool, err error) {
	if isLoss(err) && (alone || o.lost.Load() == 0) {
		o.lost.Add(1)
	}
}

// out returns an error if a request of size bytes must not be retried.
func (o *oversize) out(size int, err error) error {
	if o == nil || o.lost.Load() <= accidents {
		return nil
	}
	return fmt.Errorf("%w: about %d bytes, because of which the servers seem to close the connection; see their jute.maxbuffer (%w)", ErrTooLarge, size, err)
}

// longKind is the Kind of a long request that also has another Kind, or nil. A connection that is lost over it counts
// only against its length.
type longKind struct {
	*oversize
	kind wire.Kind
}

// Alone implements wire.Kind.
func (l *longKind) Alone() bool { return l.oversize.Alone() || l.kind != nil && l.kind.Alone() }

// Ended implements wire.Kind.
func (l *longKind) Ended(alone bool, err error) {
	l.oversize.Ended(alone, err)
	if l.kind != nil && !isLoss(err) {
		l.kind.Ended(alone, err)
	}
}

// ofKind reports whether some servers may not support the request.
func ofKind(k wire.Kind) bool {
	if long, ok := k.(*longKind); ok {
		k = long.kind
	}
	return k != nil
}

type oversizeKey struct{}

// oversized returns the oversize that watches the long queries of an attempt, or nil.
func oversized(ctx context.Context) *oversize {
	o, _ := ctx.Value(oversizeKey{}).(*oversize)
	return o
}

// MaxReplySize returns Config.MaxReplySize or its default: the largest reply that the client accepts, in bytes.
func (c *Client) MaxReplySize() int { return c.core.cfg.MaxReplySize }
