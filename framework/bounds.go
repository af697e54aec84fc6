package framework

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/retry"
)

const (
	// longAttempt bounds the default limit of one connection attempt, however long the session timeout is.
	longAttempt = 15 * time.Second
	// longHandshake bounds the default limit of a handshake with the only server.
	longHandshake = 2 * time.Minute
	// unlimited is the remaining time of a session that has not begun.
	unlimited time.Duration = math.MaxInt64
	// slowest is the session timeout above which the pauses between dials do not grow further. Their maximum is then 5
	// s.
	slowest = 40 * time.Second
)

// grant is the session timeout: the one that the servers granted last, in any session, or the requested one until then.
type grant struct {
	asked   time.Duration
	granted atomic.Int64
}

func (g *grant) timeout() time.Duration { return cmp.Or(time.Duration(g.granted.Load()), g.asked) }

func (g *grant) take(timeout time.Duration) { g.granted.Store(int64(timeout)) }

// bounds are the defaults that depend on the session timeout.
type bounds struct {
	connect, handshake attemptLimit
	operation, closing time.Duration
	pause              time.Duration // maximum between dials
	reconnect          retry.Policy
}

// attemptLimit bounds a dial or a handshake. The patient limit applies when there is no other server to try.
type attemptLimit struct{ usual, patient time.Duration }

// limitOf returns the configured limit, or the defaults if there is none.
func limitOf(configured, usual, patient time.Duration) attemptLimit {
	if configured != 0 {
		return attemptLimit{configured, configured}
	}
	return attemptLimit{usual, patient}
}

// bounds returns the bounds for the session timeout known now.
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
