// Package telemetry is what docent says of itself to OpenTelemetry: spans and metrics. It alone imports OpenTelemetry, and of
// that the API only. docs/telemetry.md is the list of what is emitted, which internal/telemetry/emitted holds against what is.
//
//	caller's span
//	  +-- lock.acquire ------------------ events: queued, rank, suspended, reconnected, lost, connected
//	  |     +-- zookeeper create            events: retry, waiting for a connection
//	  |     +-- zookeeper watchData
//	  +-- lock.hold --------------------- from the grant to the end of the claim; linked to lock.acquire
//	        +-- whatever is done under Held.Context
//
//	zookeeper session 1 <--link-- zookeeper session 2      roots: nobody's call has begun them
//
// # Providers
//
// A [Client] takes providers, or uses the global ones as they are at each moment: an application may set them after it has
// made its clients. Until it does, [Client.Operation] and its like return nil, whose methods do nothing; that costs a few
// nanoseconds and no allocation. So the API's own placeholder is not asked for spans: its Start allocates.
//
// # What runs where
//
// Spans of calls begin and end in the goroutine of the call. What begins or ends by itself, a session, a claim that is
// lost, happens in goroutines that must not wait, while the end of a span may do IO: an exporter may be synchronous. So
// that is handed to a goroutine of the Client that exists while there is such work, and which [Client.Close] waits for. A
// session's span is made when the session is over, with the times at which everything was: no span is exported before it
// ends anyway.
//
// Changes of the connection's state are kept, the latest of them, and each span of a recipe takes those that came in its
// time as events, when it has something to say itself and when it ends.
//
// Metrics that show a state, or count what goroutines of the framework do, are observed: nothing of the provider runs in
// those goroutines. Several clients of a process are told apart by the servers that they connect to, with "#2" and so on
// behind that where these are the same. Names of nodes are never attributes of metrics.
package telemetry
