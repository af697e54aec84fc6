package framework

import (
	"context"
	"fmt"
	"log/slog"
)

// driverLog hands the driver's remarks on at debug level. What a user needs to know, the supervisor says itself.
type driverLog struct{ log *slog.Logger }

// Printf implements zk.Logger.
func (d *driverLog) Printf(format string, args ...any) {
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("driver: " + fmt.Sprintf(format, args...))
	}
}
