package contend

import "github.com/docent-zk/docent/internal/telemetry"

// Endings are what telemetry calls the ends of claims, and of waiting for them, that package framework does not know.
var Endings = telemetry.Names{
	{Err: ErrReleased, Name: "released"},
	{Err: ErrDeleted, Name: "deleted"},
	{Err: ErrTaken, Name: "taken"},
}
