package framework

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/internal/brief"
	"github.com/docent-zk/docent/internal/wire"
)

// HealthBounds say for how long a problem may last before [Client.Health] reports it. The package documentation has a
// table. T is the session timeout that the server has granted, or the requested one until then.
type HealthBounds struct {
	// Silence bounds the age of the last answered request, and the time for which no operation has been answered
	// although operations were started. The minimum is T/2 for the first, because an idle client sends a request every
	// T/3. It is T for the second, because the client then sends an exists request of its own.
	// Defaults to T.
	Silence time.Duration
	// Unwell is how long a recipe or a claim may be unwell.
	// Defaults to T.
	Unwell time.Duration
	// Stuck is how long a problem that only a restart solves may last before a restart is advised.
	// Defaults to 4T.
	Stuck time.Duration
}

// withDefaults replaces zero values.
func (b HealthBounds) withDefaults(timeout time.Duration) HealthBounds {
	def(&b.Silence, timeout)
	def(&b.Unwell, timeout)
	def(&b.Stuck, 4*timeout)
	b.Silence = max(b.Silence, timeout/2)
	return b
}

// Health is the condition of a client, and of everything that runs on it, at one moment.
type Health struct {
	// Time is when the Health was taken.
	Time time.Time
	// Reasons are the current problems: those of the connection first, then those of recipes, oldest first. It is empty
	// if there are none.
	Reasons []HealthReason
}

// HealthReason is one problem.
type HealthReason struct {
	// Text describes it in a sentence, without a full stop.
	Text string
	// Recipe and Path name the affected recipe. Both are empty if the client is affected.
	Recipe, Path string
	// Since is when it began.
	Since time.Time
	// Notice means that the process continues with what it had, such as the last good value of a rejected
	// configuration. A notice does not make the process unready. See [ErrDegraded].
	Notice bool
	// Restart means that the problem has lasted so long that the process should be restarted.
	Restart bool
	// Err is the cause; nil if it is not known.
	Err error
}

// Ready reports whether the process can do work that needs this client: all reasons are notices.
func (h Health) Ready() bool {
	return !slices.ContainsFunc(h.Reasons, func(r HealthReason) bool { return !r.Notice })
}

// Live reports whether there is no problem that a restart of the process would solve.
func (h Health) Live() bool {
	for _, r := range h.Reasons {
		if r.Restart {
			return false
		}
	}
	return true
}

// String lists the reasons, or says that there are none.
func (h Health) String() string {
	if len(h.Reasons) == 0 {
		return "well"
	}
	texts := make([]string, len(h.Reasons))
	for i, r := range h.Reasons {
		texts[i] = r.Text
	}
	return strings.Join(texts, "; ")
}

// Health returns the condition of the client, and of everything that runs on it, with the default bounds. It sends no
// request and never waits.
func (c *Client) Health() Health { return c.HealthWithin(HealthBounds{}) }

// HealthWithin is Health with the given bounds. A nil Client is allowed, and is unwell.
func (c *Client) HealthWithin(bounds HealthBounds) Health {
	e := examination{now: time.Now()}
	if err := c.usable(); err != nil {
		e.note(HealthReason{Text: err.Error(), Since: e.now, Err: err})
		return e.health()
	}
	info := c.Info()
	e.timeout = c.core.grant.timeout()
	e.bounds = bounds.withDefaults(e.timeout)
	if info.State == Closed {
		e.note(HealthReason{Text: "the client is closed", Since: info.Time, Err: ErrClosed})
		return e.health()
	}
	e.reply, e.receiving = c.core.arriving()
	e.readOnlyNow = info.State == ReadOnly
	switch {
	case e.silence(info):
	case e.readOnlyNow:
		e.readOnly(info)
	default:
		e.service(c.core, info)
		e.overdue(c.core)
	}
	e.clocks(info)
	e.sessionFile(c.core)
	e.tls(c.core.hosts.tls)
	e.sasl(c.core)
	for _, r := range c.core.live.list() {
		e.recipe(r)
	}
	return e.health()
}

// examination is one call of Health.
type examination struct {
	now     time.Time
	timeout time.Duration
	bounds  HealthBounds
	reasons []HealthReason

	reply     wire.Arriving
	receiving bool // part of a reply has arrived recently

	readOnlyNow bool // the server serves only reads
}

func (e *examination) health() Health { return Health{Time: e.now, Reasons: e.reasons} }

func (e *examination) note(r HealthReason) { e.reasons = append(e.reasons, r) }

// lasted reports whether something that began at since has lasted longer than bound.
func (e *examination) lasted(since time.Time, bound time.Duration) bool {
	return e.now.Sub(since) >= bound
}

// ago returns how long ago t was, for display.
func (e *examination) ago(t time.Time) string { return brief.Duration(e.now.Sub(t)) }

// service checks whether operations are answered on a connection that answers handshakes and pings.
func (e *examination) service(c *core, info Info) {
	since, err := c.service.unserved()
	if since.IsZero() || !e.lasted(since, max(e.bounds.Silence, e.timeout)) {
		return
	}
	text := fmt.Sprintf("no operation has been answered for %s, although a server answers handshakes or pings; the connection is %s", e.ago(since), info.State)
	if err = c.blamed(err); err != nil {
		text += ": " + err.Error()
	}
	e.note(HealthReason{Text: text, Since: since, Err: err})
}

// silence checks when the last reply came, and reports whether it is too old. It ignores the state, which depends on
// the replies.
func (e *examination) silence(info Info) bool {
	last := info.LastAnswer
	if last.IsZero() { // still Connecting
		last = info.Time
	}
	if !e.lasted(last, e.bounds.Silence) {
		return false
	}
	text := fmt.Sprintf("no server has answered for %s; the connection is %s", e.ago(last), info.State)
	if info.LastAnswer.IsZero() {
		text = fmt.Sprintf("there has been no connection in the %s since the client was started", e.ago(last))
	}
	err := cmp.Or(info.Err, info.Cause)
	if err != nil {
		text += ": " + err.Error()
	}
	if e.receiving {
		text += fmt.Sprintf("; a reply about %s is arriving, %d of %d bytes so far", e.reply.Path, e.reply.Got, e.reply.Size)
	}
	e.note(HealthReason{Text: text, Since: last, Err: err})
	return true
}

// clocks checks whether the supervisor is late.
func (e *examination) clocks(info Info) {
	var due time.Time
	var what string
	switch {
	case info.LastAnswer.IsZero():
		return
	case info.State.Connected():
		due, what = info.TrustedUntil, "suspended"
		if e.receiving && e.reply.Latest.After(due) { // the connection is kept while bytes arrive
			due = e.reply.Latest
		}
	case info.State == Suspended:
		due, what = info.LastAnswer.Add(e.timeout), "lost"
	default:
		return
	}
	if e.lasted(due, e.bounds.Stuck) {
		e.note(HealthReason{
			Text:  fmt.Sprintf("the client should have called its session %s %s ago and has not: it hangs", what, e.ago(due)),
			Since: due, Restart: true,
		})
	}
}

// recipe checks a recipe or a claim.
func (e *examination) recipe(r LiveRecipe) {
	since := r.Status.Unwell
	if since.IsZero() || !e.lasted(since, e.bounds.Unwell) {
		return
	}
	text := fmt.Sprintf("%s %s: %s, not well for %s", r.Name, r.Path, r.Status.State, e.ago(since))
	if r.Status.Err != nil {
		text += ": " + fmt.Sprint(r.Status.Err) // its code may be a user's and may panic
	}
	e.note(HealthReason{
		Text: text, Recipe: r.Name, Path: r.Path, Since: since, Err: r.Status.Err,
		Notice:  errors.Is(r.Status.Err, ErrDegraded) || e.readOnlyNow && r.Policy.OnReadOnly == Serve,
		Restart: errors.Is(r.Status.Err, ErrOverstayed) && e.lasted(since, e.bounds.Stuck),
	})
}

// arriving returns the reply that is arriving on the current connection, if bytes of it have come recently.
func (c *core) arriving() (reply wire.Arriving, receiving bool) {
	e := c.gate.Load().epoch
	if e == nil || !e.receives() {
		return reply, false
	}
	return e.wire.Arriving()
}
