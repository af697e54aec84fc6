package framework

import "time"

// Info is what a client knows of its connection at one moment, for health checks and debug pages.
type Info struct {
	// StateChange is the latest change of state: the state, since when (Time), why, the epoch, and the session's id, timeout and
	// server. What belongs to a session is that of the last one while there is no other.
	StateChange
	// LastAnswer is when the latest of all answered requests was sent, pings included, with a monotonic reading. It is zero
	// while nothing was answered in the session.
	LastAnswer time.Time
	// TrustedUntil is until when what the session holds is certain, unless another answer comes: see [Session.TrustedUntil].
	// It is zero while there is no session, and in the past when there is none any more.
	TrustedUntil time.Time
	// Namespace is the path below which everything of this client happens, chroot included, "/" without either.
	Namespace string
	// Err says why there is no connection, or none that is of use: an [*AuthError] if the servers do not accept the client, otherwise
	// what has become of the last attempt. It is nil while there is a connection that is of use, and while there was no attempt.
	Err error
	// Servers are those that the client chooses from at present, as "host:port", sorted: of Config.ConnectString, of Config.Servers, or of the
	// ensemble's configuration with Config.FollowEnsemble.
	Servers []string
	// Lacks are the kinds of requests that the servers have turned out not to know.
	Lacks []Lack
}

// Lack is a kind of request that the servers of a client do not know: see Capabilities in the package documentation.
type Lack struct {
	// Request is what ZooKeeper calls it, such as "createContainer".
	Request string
	// Since is when the client learnt it last.
	Since time.Time
	// Reason says how it learnt it, Instead what the client does without the request.
	Reason, Instead string
}

// Info returns what the client knows of its connection. It asks no server and never waits.
func (c *Client) Info() Info {
	g := c.core.gate.Load()
	info := Info{StateChange: g.StateChange, Namespace: c.space.name(), Servers: c.core.hosts.listed(), Lacks: c.core.can.lacks()}
	if g.epoch != nil {
		info.LastAnswer, info.TrustedUntil = g.epoch.wire.LastHeard(), g.epoch.trustedUntil()
	}
	if info.Err = c.core.identities.failed(); info.Err == nil && !g.State.CanRead() {
		info.Err = c.core.failure()
	}
	return info
}

// failure is why there is no connection, as far as is known.
func (c *core) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastDial
}

// maxHistory is how many changes of state a client remembers.
const maxHistory = 128

// History is the latest changes of state, oldest first, the present one last: 128 of them at most, the state in which the
// client began included. [Client.States] is for those who must not miss one.
func (c *Client) History() []StateChange {
	c.core.mu.Lock()
	defer c.core.mu.Unlock()
	h := c.core.history
	return append(append(make([]StateChange, 0, len(h)), h[c.core.oldest:]...), h[:c.core.oldest]...)
}

// remember notes a change of state. The mutex is held.
func (c *core) remember(ch StateChange) {
	if len(c.history) < maxHistory {
		c.history = append(c.history, ch)
		return
	}
	c.history[c.oldest] = ch
	c.oldest = (c.oldest + 1) % maxHistory
}
