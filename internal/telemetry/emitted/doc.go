// Package emitted has no code: its tests look at what docent emits, with OpenTelemetry's SDK, which is too heavy for the
// requirements of the root module. They hold docs/telemetry.md against it, both ways.
package emitted
