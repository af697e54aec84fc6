package framework

import (
	"context"
	"fmt"
	"log/slog"
)

// driverLog logs the driver's messages at debug level. The supervisor logs what a user needs to know.
type driverLog struct{ log *slog.Logger }

// Printf implements zk.Logger.
func (d *driverLog) Printf(format string, args ...any) {
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("driver: " + fmt.Sprintf(format, args...))
	}
}
