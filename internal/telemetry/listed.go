package telemetry

// listed is something that is observed when metrics are collected.
type listed[T any] struct{ look func() T }

// Kept adds a kept node until end is called. stands must not wait.
func (c *Client) Kept(stands func() bool) (end func()) {
	if c == nil {
		return func() {}
	}
	return list(c, c.kept, &listed[bool]{stands})
}

// View adds a view of a service until end is called. skipped must not wait.
func (c *Client) View(skipped func() int) (end func()) {
	if c == nil {
		return func() {}
	}
	return list(c, c.views, &listed[int]{skipped})
}

// list adds an element to a set of the client.
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
