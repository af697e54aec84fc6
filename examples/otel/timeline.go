package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// width is how many characters the time of a whole trace takes.
const width = 32

// timeline draws one trace: a line for each span, within the span that it is part of, and for each event.
type timeline struct {
	out      io.Writer
	from, to time.Time
	children map[trace.SpanID][]sdk.ReadOnlySpan
}

// draw draws spans of one trace, which are in the order of their beginnings; the first one is the root.
func draw(out io.Writer, spans []sdk.ReadOnlySpan) {
	t := &timeline{out: out, from: spans[0].StartTime(), to: spans[0].EndTime(), children: make(map[trace.SpanID][]sdk.ReadOnlySpan)}
	for _, s := range spans[1:] {
		t.children[s.Parent().SpanID()] = append(t.children[s.Parent().SpanID()], s)
	}
	t.span(spans[0], "")
}

// span draws a span, and what is in it in the order of time.
func (t *timeline) span(s sdk.ReadOnlySpan, indent string) {
	took := s.EndTime().Sub(s.StartTime())
	t.line(s.StartTime(), t.bar(s), indent+s.Name(), took.Round(100*time.Microsecond).String()+details(s.Attributes()))
	type item struct {
		at   time.Time
		draw func()
	}
	var inside []item
	for _, e := range s.Events() {
		inside = append(inside, item{e.Time, func() {
			t.line(e.Time, strings.Repeat(" ", t.column(e.Time))+"·", indent+"  · "+e.Name, strings.TrimSpace(details(e.Attributes)))
		}})
	}
	for _, child := range t.children[s.SpanContext().SpanID()] {
		inside = append(inside, item{child.StartTime(), func() { t.span(child, indent+"  ") }})
	}
	slices.SortStableFunc(inside, func(a, b item) int { return a.at.Compare(b.at) })
	for _, i := range inside {
		i.draw()
	}
}

func (t *timeline) line(at time.Time, bar, name, text string) {
	fmt.Fprintf(t.out, "   %6dms  %-*s  %-26s %s\n", at.Sub(t.from).Milliseconds(), width, bar, name, text)
}

func (t *timeline) bar(s sdk.ReadOnlySpan) string {
	begin, end := t.column(s.StartTime()), t.column(s.EndTime())
	return strings.Repeat(" ", begin) + strings.Repeat("━", end-begin+1)
}

// column is where a moment is drawn.
func (t *timeline) column(at time.Time) int {
	whole := max(1, t.to.Sub(t.from))
	return int(max(0, min(width-1, width*at.Sub(t.from)/whole)))
}

// shown are the attributes that say something to a person, with what is put before them.
var shown = []struct{ key, before string }{
	{"docent.path", ""},
	{"docent.ahead", "ahead: "},
	{"docent.behind", "behind "},
	{"docent.cause", ""},
	{"docent.reason", ""},
	{"error.type", "error: "},
}

func details(attrs []attribute.KeyValue) string {
	var b strings.Builder
	for _, want := range shown {
		for _, a := range attrs {
			if string(a.Key) == want.key {
				fmt.Fprintf(&b, "  %s%s", want.before, a.Value.String())
			}
		}
	}
	return b.String()
}
