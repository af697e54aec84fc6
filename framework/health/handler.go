package health

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/accept"
)

// Ready is a handler that answers 200 while all clients are ready, and 503 with the reasons otherwise.
func Ready(clients ...*framework.Client) http.Handler {
	return ReadyWithin(framework.HealthBounds{}, clients...)
}

// Live is a handler that answers 503, with the reasons, when a restart of the process would cure something, and 200 otherwise.
func Live(clients ...*framework.Client) http.Handler {
	return LiveWithin(framework.HealthBounds{}, clients...)
}

// ReadyWithin is Ready with bounds of one's own.
func ReadyWithin(bounds framework.HealthBounds, clients ...*framework.Client) http.Handler {
	return &handler{bounds: bounds, clients: clients, word: "ready", counts: func(r framework.HealthReason) bool { return !r.Notice }}
}

// LiveWithin is Live with bounds of one's own. Stuck is the one that matters, unless Unwell is longer.
func LiveWithin(bounds framework.HealthBounds, clients ...*framework.Client) http.Handler {
	return &handler{bounds: bounds, clients: clients, word: "live", counts: func(r framework.HealthReason) bool { return r.Restart }}
}

// Answer is what is served as JSON.
type Answer struct {
	// Ok says that there is no reason.
	Ok bool `json:"ok"`
	// Reasons say what is wrong.
	Reasons []Reason `json:"reasons,omitempty"`
	// Notices say what else there is to know: see Notice of framework.HealthReason.
	Notices []Reason `json:"notices,omitempty"`
}

// Reason is a [framework.HealthReason] of one of the clients.
type Reason struct {
	// Client is the number of the client that it is about, from 1.
	Client int `json:"client"`
	// Text says what is wrong, in a sentence without a full stop.
	Text string `json:"text"`
	// Recipe and Path name the recipe that it is about. They are left out if it is about the client.
	Recipe string `json:"recipe,omitempty"`
	Path   string `json:"path,omitempty"` // see Recipe
	// Since is when it began.
	Since time.Time `json:"since"`
	// Restart says that a restart of the process would cure it.
	Restart bool `json:"restart,omitempty"`
}

type handler struct {
	bounds  framework.HealthBounds
	clients []*framework.Client
	word    string
	counts  func(framework.HealthReason) bool
}

// ServeHTTP answers GET and HEAD.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this is read only: use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	a := h.answer()
	const text, object = "text/plain", "application/json"
	format, body := text+"; charset=utf-8", h.text(a)
	if accept.Best(r, text, object) == object {
		encoded, _ := json.Marshal(a) // of strings, numbers and times: it does not fail
		format, body = object, string(encoded)+"\n"
	}
	header := w.Header()
	header.Set("Content-Type", format)
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept")
	header.Set("X-Content-Type-Options", "nosniff")
	if !a.Ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, body) // to whoever still listens
}

func (h *handler) answer() Answer {
	var a Answer
	for i, cli := range h.clients {
		for _, r := range cli.HealthWithin(h.bounds).Reasons {
			reason := Reason{Client: i + 1, Text: r.Text, Recipe: r.Recipe, Path: r.Path, Since: r.Since.Round(0).UTC(), Restart: r.Restart}
			switch {
			case h.counts(r):
				a.Reasons = append(a.Reasons, reason)
			case r.Notice:
				a.Notices = append(a.Notices, reason)
			}
		}
	}
	a.Ok = len(a.Reasons) == 0
	return a
}

func (h *handler) text(a Answer) string {
	var b strings.Builder
	if !a.Ok {
		b.WriteString("not ")
	}
	b.WriteString(h.word + "\n")
	h.lines(&b, "- ", a.Reasons)
	h.lines(&b, "- notice: ", a.Notices)
	return b.String()
}

// lines writes a line for each reason.
func (h *handler) lines(b *strings.Builder, mark string, reasons []Reason) {
	for _, r := range reasons {
		b.WriteString(mark)
		if len(h.clients) > 1 {
			fmt.Fprintf(b, "client %d: ", r.Client)
		}
		b.WriteString(strings.Join(strings.Fields(r.Text), " ") + "\n")
	}
}
