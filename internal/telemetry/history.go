package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Change is a change of the connection's state.
type Change struct {
	State   string // "connected", "suspended", "reconnected", "lost", "closed", "readonly"
	Epoch   uint64
	Session int64
	Server  string
	Timeout time.Duration
	Time    time.Time
	Cause   error
}

// States with a meaning for telemetry.
const (
	connected   = "connected"
	suspended   = "suspended"
	reconnected = "reconnected"
	lost        = "lost"
	closed      = "closed"
	readOnly    = "readonly"
)

// states are all states.
var states = []string{"connecting", connected, suspended, reconnected, lost, closed, readOnly}

// event adds the change to a span.
func (ch Change) event(span trace.Span) {
	attrs := []attribute.KeyValue{keyEpoch.Int64(int64(ch.Epoch)), keySessionID.String(sessionID(ch.Session))}
	attrs = append(attrs, serverAttributes(ch.Server)...)
	if ch.Cause != nil {
		attrs = append(attrs, keyReason.String(ch.Cause.Error()))
	}
	span.AddEvent(ch.State, trace.WithTimestamp(ch.Time), trace.WithAttributes(attrs...))
}

func sessionID(id int64) string { return fmt.Sprintf("%#x", uint64(id)) }

// remembered is how many changes are kept for current spans: about as many as a span can have events.
const remembered = 128

// history is the latest changes.
type history struct {
	n      uint64 // number of all changes
	latest []Change
}

func (h *history) add(ch Change) {
	h.n++
	if len(h.latest) == remembered {
		copy(h.latest, h.latest[1:])
		h.latest = h.latest[:remembered-1]
	}
	h.latest = append(h.latest, ch)
}

// since returns the changes after the first n, as far as they are kept.
func (h *history) since(n uint64) []Change {
	missing := min(h.n-n, uint64(len(h.latest)))
	return append([]Change(nil), h.latest[uint64(len(h.latest))-missing:]...)
}

// session is the current session, and the span of the previous one.
type session struct {
	begun   Change // Time is zero if there is none
	changes []Change
	before  trace.SpanContext // used only by the goroutine that creates the spans
}

// StateChanged records a change. It never waits.
func (c *Client) StateChanged(ch Change) {
	if c == nil {
		return
	}
	c.counts.state(ch.State)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch.State != closed { // what ends with it has it as its cause
		c.history.add(ch)
	}
	s := &c.session
	switch ch.State {
	case connected, readOnly:
		s.begun, s.changes = ch, nil
	case suspended, reconnected:
		if len(s.changes) < remembered {
			s.changes = append(s.changes, ch)
		}
	case lost, closed:
		if begun, changes := s.begun, s.changes; !begun.Time.IsZero() && !c.closed {
			c.enqueue(func() { c.sessionSpan(begun, changes, ch) })
		}
		s.begun, s.changes = Change{}, nil
	}
}

// sessionSpan creates the span of a session that has ended.
func (c *Client) sessionSpan(begun Change, changes []Change, end Change) {
	tracer := c.tracer()
	if tracer == nil {
		return
	}
	attrs := []attribute.KeyValue{
		system, keyClient.String(c.name), keyEpoch.Int64(int64(begun.Epoch)), keySessionID.String(sessionID(begun.Session)),
		keyTimeout.Float64(begun.Timeout.Seconds()),
	}
	opts := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithTimestamp(begun.Time), trace.WithAttributes(append(attrs, serverAttributes(begun.Server)...)...),
	}
	if c.session.before.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: c.session.before}))
	}
	_, span := c.startSpan(context.Background(), tracer, "zookeeper session", opts...)
	c.session.before = span.SpanContext()
	for _, ch := range changes {
		ch.event(span)
	}
	span.SetAttributes(keyCause.String(c.cfg.Names.Of(end.Cause)))
	if end.State == lost {
		span.SetStatus(codes.Error, end.Cause.Error())
	}
	c.endSpan(span, trace.WithTimestamp(end.Time))
}
