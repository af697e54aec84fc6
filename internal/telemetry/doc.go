// Package telemetry reports spans and metrics to OpenTelemetry. No other package imports OpenTelemetry, and this one imports only
// its API. docs/telemetry.md lists all spans and metrics, which internal/test/emitted compares with the spans and metrics that docent emits.
//
//	caller's span
//	  +-- lock.acquire ------------------ events: queued, rank, suspended, reconnected, lost, connected
//	  |     +-- zookeeper create            events: retry, waiting for a connection
//	  |     +-- zookeeper watchData
//	  +-- lock.hold --------------------- from the grant to the end of the claim; linked to lock.acquire
//	        +-- operations under Held.Context
//
//	zookeeper session 1 <--link-- zookeeper session 2      roots: no call of the application began them
//
// # Providers
//
// A [Client] takes providers, or uses the current global ones: an application may set them after it has created its clients. Until then,
// [Client.Operation] and similar methods return nil, whose methods do nothing. This costs a few nanoseconds and no allocation. The API's own
// placeholder is not used, because its Start allocates.
//
// # Goroutines
//
// Spans of calls begin and end in the goroutine of the call. Sessions and lost claims begin or end in goroutines that must not wait. The end of a
// span may do IO, because an exporter may be synchronous. So such spans are ended in another goroutine of the Client, which exists while there is
// work for it, and which [Client.Close] waits for. The span of a session is created when the session is over, with the recorded times, because
// no span is exported before it ends.
//
// The latest changes of the connection's state are kept. A span of a recipe adds the changes during its time as events, whenever it adds an
// event of its own and when it ends.
//
// Metrics that show a state, or count actions of the framework's goroutines, are observed, so no code of the provider runs in those goroutines.
// Clients of one process are named after the servers that they connect to, followed by "#2" and so on if these are the same. Names of nodes are
// never attributes of metrics.
package telemetry
