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

// Ready returns a handler that answers 200 while all clients are ready, and otherwise 503 with the reasons.
func Ready(clients ...*framework.Client) http.Handler {
	return ReadyWithin(framework.HealthBounds{}, clients...)
}

// Live returns a handler that answers 503 with the reasons if a restart of the process would solve a problem, and
// otherwise 200.
func Live(clients ...*framework.Client) http.Handler {
	return LiveWithin(framework.HealthBounds{}, clients...)
}

// ReadyWithin is Ready with the given bounds.
func ReadyWithin(bounds framework.HealthBounds, clients ...*framework.Client) http.Handler {
	return &handler{bounds: bounds, clients: clients, word: "ready", counts: func(r framework.HealthReason) bool { return !r.Notice }}
}

// LiveWithin is Live with the given bounds. Stuck is the bound that matters, unless Unwell is longer.
func LiveWithin(bounds framework.HealthBounds, clients ...*framework.Client) http.Handler {
	return &handler{bounds: bounds, clients: clients, word: "live", counts: func(r framework.HealthReason) bool { return r.Restart }}
}

// Answer is the JSON that the handlers serve.
type Answer struct {
	// Ok reports whether there are no reasons.
	Ok bool `json:"ok"`
	// Reasons are the problems.
	Reasons []Reason `json:"reasons,omitempty"`
	// Notices are reasons that do not make the process unready: see Notice of framework.HealthReason.
	Notices []Reason `json:"notices,omitempty"`
}

// Reason is a [framework.HealthReason] of one of the clients.
type Reason struct {
	// Client is the number of the affected client, from 1.
	Client int `json:"client"`
	// Text describes the problem in a sentence, without a full stop.
	Text string `json:"text"`
	// Recipe and Path name the affected recipe. They are omitted if the client is affected.
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
