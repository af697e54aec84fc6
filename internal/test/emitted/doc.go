// Package emitted has only tests. They record what docent emits with OpenTelemetry's SDK, which is too heavy a dependency for the root module, and
// compare it with docs/telemetry.md, in both directions.
package emitted
