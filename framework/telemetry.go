package framework

import (
	"context"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/internal/telemetry"
	"github.com/docent-zk/docent/retry"
)

// reporter returns what docent's recipes report to, with the providers of Config. It is nil for a nil or empty Client.
func (c *Client) reporter() *telemetry.Client {
	if c.usable() != nil {
		return nil
	}
	return c.core.telemetry
}

// startTelemetry must be called before anything that is reported can happen.
func (c *core) startTelemetry() {
	c.telemetry = telemetry.New(telemetry.Config{
		TracerProvider: c.cfg.TracerProvider,
		MeterProvider:  c.cfg.MeterProvider,
		Servers:        c.cfg.ConnectString,
		Look:           c.snapshot,
		Names:          errorNames,
		Closed:         ErrClosed,
		Patience:       func() time.Duration { return c.bounds().closing },
	})
}

// snapshot returns the values for metrics. It does not wait.
func (c *core) snapshot() telemetry.Look {
	g := c.gate.Load()
	l := telemetry.Look{State: strings.ToLower(g.State.String())}
	if g.epoch != nil && g.State != Lost && g.State != Closed {
		l.TrustedUntil = g.epoch.trustedUntil()
	}
	return l
}

func telemetryChange(ch StateChange) telemetry.Change {
	return telemetry.Change{
		State: strings.ToLower(ch.State.String()), Epoch: ch.Epoch, Session: ch.SessionID, Server: ch.Server,
		Timeout: ch.Timeout, Time: ch.Time, Cause: ch.Cause,
	}
}

// errorNames are the names of errors in telemetry. The first match counts: a call with an unknown outcome whose caller
// has abandoned it is reported as unknown.
var errorNames = telemetry.Names{
	{Err: ErrOutcomeUnknown, Name: "outcome_unknown"},
	{Err: ErrSessionLost, Name: "session_lost"},
	{Err: ErrClosed, Name: "closed"},
	{Err: ErrUntrusted, Name: "untrusted"},
	{Err: ErrSuspended, Name: "suspended"},
	{Err: ErrReplyRefused, Name: "reply_refused"},
	{Err: ErrTooLarge, Name: "too_large"},
	{Err: ErrUnsupported, Name: "unsupported"},
	{Err: context.Canceled, Name: "canceled"},
	{Err: ErrNotConnected, Name: "not_connected"},
	{Err: context.DeadlineExceeded, Name: "deadline_exceeded"},
	{Err: retry.ErrExhausted, Name: "retries_exhausted"},
	{Err: zk.ErrConnectionClosed, Name: "connection_lost"},
	{Err: ErrNoNode, Name: "NONODE"},
	{Err: ErrNodeExists, Name: "NODEEXISTS"},
	{Err: ErrBadVersion, Name: "BADVERSION"},
	{Err: ErrNotEmpty, Name: "NOTEMPTY"},
	{Err: ErrNoChildrenForEphemerals, Name: "NOCHILDRENFOREPHEMERALS"},
	{Err: ErrNoAuth, Name: "NOAUTH"},
	{Err: ErrAuthFailed, Name: "AUTHFAILED"},
	{Err: ErrInvalidACL, Name: "INVALIDACL"},
	{Err: ErrInvalidPath, Name: "INVALIDPATH"},
	{Err: zk.ErrBadArguments, Name: "BADARGUMENTS"},
	{Err: ErrNotReadOnly, Name: "NOTREADONLY"},
	{Err: ErrEphemeralOnLocalSession, Name: "EPHEMERALONLOCALSESSION"},
	{Err: ErrRequestTimeout, Name: "REQUESTTIMEOUT"},
	{Err: ErrAuthRequired, Name: "SESSIONCLOSEDREQUIRESASLAUTH"},
	{Err: ErrQuotaExceeded, Name: "QUOTAEXCEEDED"},
	{Err: ErrThrottled, Name: "THROTTLEDOP"},
}

// expected are the replies that are not failures.
var expected = map[string]bool{
	"NONODE": true, "NODEEXISTS": true, "BADVERSION": true, "NOTEMPTY": true, "NOCHILDRENFOREPHEMERALS": true,
}

// result describes how an operation has ended.
func (c *core) result(err error) telemetry.Result {
	r := telemetry.Result{Err: err, Server: c.gate.Load().Server}
	if err == nil {
		return r
	}
	r.Type = errorNames.Of(err)
	if r.Type[0] >= 'A' && r.Type[0] <= 'Z' { // one of ZooKeeper's own names
		r.Code = r.Type
	}
	if expected[r.Code] {
		r.Type = ""
	}
	return r
}

// tellWait reports that the operation has to wait for a connection.
func (o *ops) tellWait(op *telemetry.Operation, n need) {
	if g := o.core.gate.Load(); !g.serves(o.fixed) && (n == writes || !g.readOnly(o.fixed)) {
		op.Waits()
	}
}

// retryCause returns the reason of a failed attempt in one word.
func retryCause(err error) string {
	switch {
	case isThrottled(err):
		return "throttled"
	case outcomeOf(err) == notSent:
		return "not_sent"
	}
	return "answer_lost"
}
