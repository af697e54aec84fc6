package framework

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/retry"
)

const (
	// longAttempt is how long an attempt to get a connection takes at most by default, however long the session timeout is.
	longAttempt = 15 * time.Second
	// longHandshake is the same for a handshake of the only server there is to ask.
	longHandshake = 2 * time.Minute
	// unlimited is what is left of a session that has not begun.
	unlimited time.Duration = math.MaxInt64
	// slowest is the session timeout from which on pauses between dials grow no further: their longest is 5 s then.
	slowest = 40 * time.Second
)

// grant is the session timeout: what the servers granted last, in whatever session, and what is asked for until they have granted one.
type grant struct {
	asked   time.Duration
	granted atomic.Int64
}

func (g *grant) timeout() time.Duration { return cmp.Or(time.Duration(g.granted.Load()), g.asked) }

func (g *grant) take(timeout time.Duration) { g.granted.Store(int64(timeout)) }

// bounds are what Config does not say, and what therefore follows from the session timeout.
type bounds struct {
	connect, handshake attemptLimit
	operation, closing time.Duration
	pause              time.Duration // the longest between dials
	reconnect          retry.Policy
}

// attemptLimit bounds a dial or a handshake. The patient limit is for the time when there is nobody better to ask.
type attemptLimit struct{ usual, patient time.Duration }

// limitOf returns the limit that is configured, if one is, and else the defaults.
func limitOf(configured, usual, patient time.Duration) attemptLimit {
	if configured != 0 {
		return attemptLimit{configured, configured}
	}
	return attemptLimit{usual, patient}
}

// bounds returns those for the session timeout that is known now.
func (c *core) bounds() bounds { return c.cfg.bounds(c.grant.timeout()) }

func (c *Config) bounds(timeout time.Duration) bounds {
	pace := min(timeout, slowest)
	b := bounds{
		connect:   limitOf(c.ConnectTimeout, min(timeout/6, longAttempt), min(timeout/2, longAttempt)),
		handshake: limitOf(c.HandshakeTimeout, min(timeout/6, longAttempt), min(timeout, longHandshake)),
		operation: cmp.Or(c.OperationTimeout, 2*timeout),
		closing:   cmp.Or(c.CloseTimeout, timeout),
		pause:     pace / 8,
		reconnect: c.ReconnectPolicy,
	}
	if b.reconnect.IsZero() {
		b.reconnect = retry.Exponential(pace/100, b.pause)
	}
	return b
}
