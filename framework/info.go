package framework

import "time"

// Info is what a client knows about its connection at one moment, for health checks and debug pages.
type Info struct {
	// StateChange is the latest change of state: the state, when it began (Time), why, the epoch, and the session's id,
	// timeout and server. Between two sessions, the values of the last session remain.
	StateChange
	// LastAnswer is when the last answered request was sent, pings included, with a monotonic reading. It is zero until
	// a reply has come in the session.
	LastAnswer time.Time
	// TrustedUntil is when trust in the session ends unless another reply comes: see [Session.TrustedUntil]. It is zero
	// before the first session, and in the past after the end of a session.
	TrustedUntil time.Time
	// Namespace is the path, chroot included, below which this client works; "/" without either.
	Namespace string
	// Err is why there is no usable connection: an [*AuthError] if the servers do not accept the client, otherwise the
	// result of the last attempt. It is nil while there is a usable connection, and before the first attempt.
	Err error
	// Servers are the servers that the client currently chooses from, as "host:port", sorted. They come from
	// Config.ConnectString, Config.Servers, or the ensemble's configuration with Config.FollowEnsemble.
	Servers []string
	// Lacks are the kinds of requests that the servers do not support, as far as is known.
	Lacks []Lack
	// Counts are how often something has happened since the client was started.
	Counts Counts
	// Settings are the optional parts of Config that are in use, such as TLS, and their condition. They contain no
	// credentials.
	Settings []Setting
}

// Lack is a kind of request that a client's servers do not support: see Capabilities in the package documentation.
type Lack struct {
	// Request is its name in ZooKeeper, such as "createContainer".
	Request string
	// Since is when the client last found that out.
	Since time.Time
	// Reason says how the client found out. Instead says what it does without the request.
	Reason, Instead string
}

// Info returns what the client knows about its connection. It sends no request and never waits.
func (c *Client) Info() Info {
	g := c.core.gate.Load()
	info := Info{StateChange: g.StateChange, Namespace: c.space.name(), Servers: c.core.hosts.listed(), Lacks: c.core.can.lacks()}
	info.Counts, info.Settings = c.core.counted(), c.core.settings(g)
	if g.epoch != nil {
		info.LastAnswer, info.TrustedUntil = g.epoch.wire.LastHeard(), g.epoch.trustedUntil()
	}
	if info.Err = c.core.identities.failed(); info.Err == nil && !g.State.CanRead() {
		info.Err = c.core.failure()
	}
	return info
}

// failure returns why there is no connection, as far as is known.
func (c *core) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastDial
}

// maxHistory is how many changes of state a client keeps.
const maxHistory = 128

// History returns the latest changes of state, at most 128, the oldest first and the current one last. The client's
// initial state counts. Use [Client.States] to receive every change.
func (c *Client) History() []StateChange {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	h := c.core.history
	return append(append(make([]StateChange, 0, len(h)), h[c.core.oldest:]...), h[:c.core.oldest]...)
}

// remember stores a change of state. The mutex is held.
func (c *core) remember(ch StateChange) {
	if len(c.history) < maxHistory {
		c.history = append(c.history, ch)
		return
	}
	c.history[c.oldest] = ch
	c.oldest = (c.oldest + 1) % maxHistory
}
