package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/metric"
)

// Panicked counts a panic of a function that was given to docent: a codec, a dialer.
func (c *Client) Panicked(function string) {
	if c == nil {
		return
	}
	c.instruments.panics.Add(context.Background(), 1, metric.WithAttributes(keyClient.String(c.name), keyFunction.String(function)))
}
