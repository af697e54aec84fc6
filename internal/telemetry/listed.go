package telemetry

// listed is something that is looked at when metrics are read.
type listed[T any] struct{ look func() T }

// Kept lists a node that is to stand, until the result is called. stands must not wait.
func (c *Client) Kept(stands func() bool) (end func()) {
	if c == nil {
		return func() {}
	}
	return list(c, c.kept, &listed[bool]{stands})
}

// View lists a view of a service, until the result is called. skipped must not wait.
func (c *Client) View(skipped func() int) (end func()) {
	if c == nil {
		return func() {}
	}
	return list(c, c.views, &listed[int]{skipped})
}

// list adds to a set of the client.
func list[T comparable](c *Client, set map[T]struct{}, e T) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set[e] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(set, e)
	}
}
