package telemetry

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Kind is the kind of a claim.
type Kind int

// Kinds of claims.
const (
	Lock Kind = iota
	Leader
)

// spanNames are the names of the spans for waiting for a claim and for holding it.
var spanNames = [...]struct{ wait, hold string }{Lock: {"lock.acquire", "lock.hold"}, Leader: {"leader.campaign", "leader.term"}}

// Subject is what a claim is on.
type Subject struct {
	Kind   Kind
	Recipe string // "lock", "read lock": only a few values
	Path   string
	Names  Names // of errors, before the Client's
}

// Wait is the time until a claim is granted. Its methods do nothing on nil.
type Wait struct {
	client  *Client
	subject Subject
	start   time.Time
	span    *Span
}

// Wait begins a wait. If telemetry is off, it returns ctx unchanged and nil.
func (c *Client) Wait(ctx context.Context, s Subject) (context.Context, *Wait) {
	if !c.wanted(ctx) {
		return ctx, nil
	}
	w := &Wait{client: c, subject: s, start: time.Now()}
	ctx, w.span = c.start(ctx, spanNames[s.Kind].wait, s.attributes())
	return ctx, w
}

// wanted reports whether claims are traced or measured.
func (c *Client) wanted(ctx context.Context) bool {
	return c != nil && (c.tracer() != nil || c.instruments.acquire.Enabled(ctx))
}

func (s Subject) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{keyRecipe.String(s.Recipe), keyPath.String(s.Path)}
}

// name returns the name of an error.
func (s Subject) name(err error, c *Client) string {
	if name, ok := s.Names.lookUp(err); ok {
		return name
	}
	return c.cfg.Names.Of(err)
}

// End ends the wait: the claim was granted, or err says why not.
func (w *Wait) End(err error) {
	if w == nil {
		return
	}
	attrs := []attribute.KeyValue{keyRecipe.String(w.subject.Recipe)}
	name := ""
	if err != nil {
		name = w.subject.name(err, w.client)
		attrs = append(attrs, keyErrorType.String(name))
	}
	w.client.instruments.acquire.Record(context.Background(), time.Since(w.start).Seconds(), metric.WithAttributes(attrs...))
	w.span.end(name, err)
}

// Hold is a claim from its grant to its end. Its methods do nothing on nil.
type Hold struct {
	client  *Client
	subject Subject
	start   time.Time
	span    *Span
	token   int64
	until   context.Context // context of the claim; nil until it is known
	ended   atomic.Bool
	told    chan struct{} // closed when the end has been reported to the providers
}

// Hold begins a hold, with the fencing token of the claim. ctx has the values of the claim's context. Leaders are
// counted even if telemetry is off.
func (c *Client) Hold(ctx context.Context, s Subject, token int64) *Hold {
	if c == nil || s.Kind != Leader && !c.wanted(ctx) {
		return nil
	}
	h := &Hold{client: c, subject: s, token: token, start: time.Now(), told: make(chan struct{})}
	var opts []trace.SpanStartOption
	if w := in(ctx); w != nil {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: w.span.SpanContext()}))
	}
	_, h.span = c.start(ctx, spanNames[s.Kind].hold, append(s.attributes(), keyToken.Int64(token)), opts...)
	if s.Kind == Leader {
		c.counts.leaders.Add(1)
		c.transition("elected")
		c.sayElected(s, token)
	}
	return h
}

func (c *Client) transition(to string) {
	c.instruments.transitions.Add(context.Background(), 1, metric.WithAttributes(keyTransition.String(to)))
}

// sayElected logs that a term has begun.
func (c *Client) sayElected(s Subject, token int64) {
	if c.Log != nil {
		c.Log.Info("leadership gained", "recipe", s.Recipe, "path", s.Path, "token", token)
	}
}

// sayEnded logs that a term has ended.
func (h *Hold) sayEnded(cause error, now time.Time) {
	log := h.client.Log
	if log == nil {
		return
	}
	after := now.Sub(h.start).Round(time.Millisecond)
	if given[h.subject.name(cause, h.client)] {
		log.Info("leadership released", "recipe", h.subject.Recipe, "path", h.subject.Path, "token", h.token, "cause", cause, "after", after)
		return
	}
	log.Warn("leadership lost", "recipe", h.subject.Recipe, "path", h.subject.Path, "token", h.token, "cause", cause, "after", after)
}

// Context returns ctx with the span of the hold.
func (h *Hold) Context(ctx context.Context) context.Context {
	if h == nil || h.span == nil {
		return ctx
	}
	return context.WithValue(trace.ContextWithSpan(ctx, h.span.span), spanKey{}, h.span)
}

// Until ends the hold when ctx ends, with its cause, unless it has ended before.
func (h *Hold) Until(ctx context.Context) {
	if h == nil {
		return
	}
	c := h.client
	h.until = ctx
	c.mu.Lock()
	if c.holds != nil {
		c.holds[h] = struct{}{}
	}
	c.mu.Unlock()
	context.AfterFunc(ctx, func() { h.End(context.Cause(ctx)) })
}

// cause returns why the claim has ended, or otherwise if it has not.
func (h *Hold) cause(otherwise error) error {
	if h.until.Err() != nil {
		return context.Cause(h.until)
	}
	return otherwise
}

// End ends the hold. cause is why the claim has ended; nil if it has not. The first call counts.
func (h *Hold) End(cause error) {
	if h == nil || cause == nil || h.ended.Swap(true) {
		return
	}
	c, now := h.client, time.Now()
	c.mu.Lock()
	delete(c.holds, h)
	c.mu.Unlock()
	if h.subject.Kind == Leader {
		c.counts.leaders.Add(-1)
		h.sayEnded(cause, now)
	}
	c.later(func() {
		defer close(h.told)
		h.report(cause, now)
	})
}

// lastMoment is how long Told outlasts its ctx, which is enough for providers that do not hang.
const lastMoment = time.Second

// Told waits, if the hold has ended, until that has been reported to the providers. So a caller that has released a
// claim finds its span and metrics. It is called in the user's goroutine, and only when the claim is released. It
// returns lastMoment after the end of ctx, and after Config.Patience.
func (h *Hold) Told(ctx context.Context) {
	if h == nil || !h.ended.Load() {
		return
	}
	if patience := h.client.cfg.Patience; patience != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience())
		defer cancel()
	}
	select {
	case <-h.told:
		return
	case <-ctx.Done():
	}
	last := time.NewTimer(lastMoment)
	defer last.Stop()
	select {
	case <-h.told:
	case <-last.C:
	}
}

// given are the causes with which a holder has ended its claim: a release, the end of leader.Run's ctx for any reason,
// or the client's Close. All other causes are losses.
var given = map[string]bool{"released": true, "canceled": true, "deadline_exceeded": true, other: true, closed: true}

func (h *Hold) report(cause error, now time.Time) {
	c, ctx, name := h.client, context.Background(), h.subject.name(cause, h.client)
	recipe := keyRecipe.String(h.subject.Recipe)
	c.instruments.hold.Record(ctx, now.Sub(h.start).Seconds(), metric.WithAttributes(recipe, keyCause.String(name)))
	if !given[name] {
		c.instruments.lost.Add(ctx, 1, metric.WithAttributes(recipe, keyCause.String(name)))
	}
	if h.subject.Kind == Leader {
		c.transition("ended")
	}
	if h.span == nil {
		return
	}
	h.span.span.SetAttributes(keyCause.String(name))
	if given[name] {
		name = ""
	}
	h.span.end(name, cause, trace.WithTimestamp(now))
}
