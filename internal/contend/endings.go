package contend

import "github.com/docent-zk/docent/internal/telemetry"

// Endings are the names that telemetry gives to errors of this package.
var Endings = telemetry.Names{
	{Err: ErrReleased, Name: "released"},
	{Err: ErrDeleted, Name: "deleted"},
	{Err: ErrTaken, Name: "taken"},
}
