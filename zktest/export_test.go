package zktest

// WithMaxQueued makes a server reset connections sooner than after 256 MiB.
func (c Config) WithMaxQueued(n int) Config {
	c.maxQueued = n
	return c
}
