package telemetry

import "context"

// Register begins the span of a registration. The returned function ends it, with an error if the registration failed.
func (c *Client) Register(ctx context.Context, path string) (context.Context, func(error)) {
	ctx, s := c.start(ctx, "discovery.register", Subject{Recipe: "registration", Path: path}.attributes())
	return ctx, func(err error) {
		if s != nil {
			s.end(c.cfg.Names.Of(err), err)
		}
	}
}
