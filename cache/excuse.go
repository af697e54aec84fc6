package cache

import (
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
)

// errOthers comes along with framework.ErrReplyRefused when the answer that was not accepted was not that to the read.
var errOthers = errors.New("the connection broke again and again over answers to others in this client")

const (
	// Reads that others break are repeated after firstPause, then after twice as long each time, up to lastPause.
	firstPause = 100 * time.Millisecond
	lastPause  = 3200 * time.Millisecond

	// replyFrame is more than a reply has around the data or the names.
	replyFrame = 128
	// longName is more than the name of a node takes in a list, as good as always.
	longName = 256
)

// excused reads, and reads again when the connection broke over an answer that cannot have been the one to the read: nobody
// says whose it was, but a look at the node tells how long its own is.
func (p *pass) excused(w work, read func() error) error {
	for pause := firstPause; ; pause *= 2 {
		err := read()
		if !errors.Is(err, framework.ErrReplyRefused) || !p.brief(w) {
			return err
		}
		if pause > lastPause {
			return fmt.Errorf("%w: %w", errOthers, err)
		}
		select {
		case <-time.After(pause):
		case <-p.ctx.Done():
			return err
		}
	}
}

// brief reports whether the answer to a read is certainly no longer than the client accepts, or that cannot be told now.
func (p *pass) brief(w work) bool {
	stat, ok, err := p.s.Exists(p.ctx, w.path)
	if err != nil || !ok {
		return true
	}
	size := int64(stat.DataLength)
	if w.list {
		size = int64(stat.NumChildren) * longName
	}
	return size+replyFrame <= int64(p.cli.MaxReplySize())
}

// tooLong reports whether an error says that the answer to a read is not accepted, now or later.
func tooLong(err error) bool {
	return errors.Is(err, framework.ErrReplyRefused) && !errors.Is(err, errOthers)
}
