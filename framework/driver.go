package framework

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/go-zookeeper/zk"
)

// driverLog hands the driver's remarks on at debug level and keeps the first error among them since there was a connection:
// it is the only place where the driver says why a link broke, and later errors follow from the first. What a user needs to
// know, the supervisor says itself.
type driverLog struct {
	log   *slog.Logger
	first atomic.Pointer[error]
}

// Printf implements zk.Logger.
func (d *driverLog) Printf(format string, args ...any) {
	for _, a := range args {
		if err, ok := a.(error); ok && !isFlush(err) {
			d.first.CompareAndSwap(nil, &err)
		}
	}
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("driver: " + fmt.Sprintf(format, args...))
	}
}

// isFlush reports whether err is what the driver gives to the requests of any link that has broken, which does not say why. Its
// setting of watches comes with it, perhaps when there is another link.
func isFlush(err error) bool {
	return errors.Is(err, zk.ErrConnectionClosed) || errors.Is(err, zk.ErrClosing) || errors.Is(err, zk.ErrNoServer)
}

// clear forgets what went wrong before there was a connection.
func (d *driverLog) clear() { d.first.Store(nil) }

// broken describes the end of the link to server.
func (d *driverLog) broken(server string) error {
	if why := d.first.Swap(nil); why != nil {
		return fmt.Errorf("%w: %s: %w", errLink, server, *why)
	}
	return fmt.Errorf("%w: %s", errLink, server)
}
