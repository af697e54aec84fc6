package framework

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/internal/wire"
)

// HealthBounds say for how long something may be wrong before [Client.Health] names it as a reason. The package
// documentation has the table. T is the session timeout that the server has granted, or the one to be asked for.
type HealthBounds struct {
	// Silence is how old the latest answered request may be, and for how long operations may be wanted, or fail, without any that
	// is answered. The minimum is T/2 for the former, because an idle client sends a request every third of T, and T for the latter,
	// because the client finds out with an exists of its own. Defaults to T.
	Silence time.Duration
	// Unwell is how long a recipe, or what is held, may be not well. Defaults to T.
	Unwell time.Duration
	// Stuck is how long what only a restart of the process cures may last before that is advised. Defaults to 4T.
	Stuck time.Duration
}

// withDefaults fills in what is zero.
func (b HealthBounds) withDefaults(timeout time.Duration) HealthBounds {
	def(&b.Silence, timeout)
	def(&b.Unwell, timeout)
	def(&b.Stuck, 4*timeout)
	b.Silence = max(b.Silence, timeout/2)
	return b
}

// Health is how a client is at one moment, and everything that runs on it.
type Health struct {
	// Time is the moment.
	Time time.Time
	// Reasons say what is wrong: first of the connection, then of the recipes, oldest first. There is none if all is well.
	Reasons []HealthReason
}

// HealthReason is one thing that is wrong.
type HealthReason struct {
	// Text says it in a sentence, without a full stop.
	Text string
	// Recipe and Path name the recipe that it is about. Both are empty if it is about the client.
	Recipe, Path string
	// Since is when it began.
	Since time.Time
	// Notice says that the process works on with what it had, so that this is no reason to give it less work: a rejected
	// configuration, whose last good value stays in use. See [ErrDegraded].
	Notice bool
	// Restart says that it has lasted for so long that the process should be restarted, which cures it.
	Restart bool
	// Err is what is behind it, nil if that is not known.
	Err error
}

// Ready reports whether the process should be given work that needs this client: whether nothing is wrong but notices.
func (h Health) Ready() bool {
	return !slices.ContainsFunc(h.Reasons, func(r HealthReason) bool { return !r.Notice })
}

// Live reports whether nothing is wrong that a restart of the process would cure.
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

// Health says how the client is, and everything that runs on it, with the default bounds. It asks no server and never waits.
func (c *Client) Health() Health { return c.HealthWithin(HealthBounds{}) }

// HealthWithin is Health with bounds of one's own. It may be asked of a nil Client, which is not well.
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
	receiving bool // a part of reply has come, and lately

	readOnlyNow bool // the server serves only reads
}

func (e *examination) health() Health { return Health{Time: e.now, Reasons: e.reasons} }

func (e *examination) note(r HealthReason) { e.reasons = append(e.reasons, r) }

// lasted reports whether something that began then has gone on for longer than bound.
func (e *examination) lasted(since time.Time, bound time.Duration) bool {
	return e.now.Sub(since) >= bound
}

// ago is how long ago something was, fit to read.
func (e *examination) ago(t time.Time) time.Duration {
	return e.now.Sub(t).Round(max(time.Millisecond, e.timeout/1000))
}

// service looks whether operations are answered, by servers that answer handshakes and pings.
func (e *examination) service(c *core, info Info) {
	since, err := c.service.unserved()
	if since.IsZero() || !e.lasted(since, max(e.bounds.Silence, e.timeout)) {
		return
	}
	text := fmt.Sprintf("no operation has been answered for %v, although a server answers handshakes or pings; the connection is %s", e.ago(since), info.State)
	if err = c.blamed(err); err != nil {
		text += ": " + err.Error()
	}
	e.note(HealthReason{Text: text, Since: since, Err: err})
}

// silence looks whether a server answers, and reports whether none does. It does not look at the state, which follows from
// the answers.
func (e *examination) silence(info Info) bool {
	last := info.LastAnswer
	if last.IsZero() { // still Connecting
		last = info.Time
	}
	if !e.lasted(last, e.bounds.Silence) {
		return false
	}
	text := fmt.Sprintf("no server has answered for %v; the connection is %s", e.ago(last), info.State)
	if info.LastAnswer.IsZero() {
		text = fmt.Sprintf("there has been no connection in the %v since the client was started", e.ago(last))
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

// clocks looks whether the supervisor has done what it had to by now.
func (e *examination) clocks(info Info) {
	var due time.Time
	var what string
	switch {
	case info.LastAnswer.IsZero():
		return
	case info.State.Connected():
		due, what = info.TrustedUntil, "suspended"
		if e.receiving && e.reply.Latest.After(due) { // the connection is left alone while it comes
			due = e.reply.Latest
		}
	case info.State == Suspended:
		due, what = info.LastAnswer.Add(e.timeout), "lost"
	default:
		return
	}
	if e.lasted(due, e.bounds.Stuck) {
		e.note(HealthReason{
			Text:  fmt.Sprintf("the client should have called its session %s %v ago and has not: it hangs", what, e.ago(due)),
			Since: due, Restart: true,
		})
	}
}

// recipe looks at one recipe, or at something that is held.
func (e *examination) recipe(r LiveRecipe) {
	since := r.Status.Unwell
	if since.IsZero() || !e.lasted(since, e.bounds.Unwell) {
		return
	}
	text := fmt.Sprintf("%s %s: %s, not well for %v", r.Name, r.Path, r.Status.State, e.ago(since))
	if r.Status.Err != nil {
		text += ": " + fmt.Sprint(r.Status.Err) // it may be anybody's, and panic
	}
	e.note(HealthReason{
		Text: text, Recipe: r.Name, Path: r.Path, Since: since, Err: r.Status.Err,
		Notice:  errors.Is(r.Status.Err, ErrDegraded) || e.readOnlyNow && r.Policy.OnReadOnly == Serve,
		Restart: errors.Is(r.Status.Err, ErrOverstayed) && e.lasted(since, e.bounds.Stuck),
	})
}

// arriving returns the reply that is arriving on the present connection, if bytes of it have come lately.
func (c *core) arriving() (reply wire.Arriving, receiving bool) {
	e := c.gate.Load().epoch
	if e == nil || !e.receives() {
		return reply, false
	}
	return e.wire.Arriving()
}
