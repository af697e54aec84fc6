package debugpage

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/accept"
)

// Handler serves a page about the clients. They are numbered as they are given here.
func Handler(clients ...*framework.Client) http.Handler { return Options{}.Handler(clients...) }

// Options change what a page shows. The zero value is good.
type Options struct {
	// Names are what the clients are called, in their order. Defaults to "client", with a number if there are several.
	Names []string
	// Bounds say when something is wrong. Defaults to those of [framework.Client.Health].
	Bounds framework.HealthBounds
	// QueueTimeout bounds how long a queue is read. Defaults to 2 s.
	QueueTimeout time.Duration
}

// Handler serves a page about the clients, as the options say.
func (o Options) Handler(clients ...*framework.Client) http.Handler {
	if o.QueueTimeout <= 0 {
		o.QueueTimeout = 2 * time.Second
	}
	h := &handler{Options: o, known: make(map[queueKey]struct{})}
	for i, cli := range clients {
		h.clients = append(h.clients, named{cli, o.name(i, len(clients))})
	}
	return h
}

// name is what the client with that index is called.
func (o Options) name(i, of int) string {
	switch {
	case i < len(o.Names) && o.Names[i] != "":
		return o.Names[i]
	case of == 1:
		return "client"
	}
	return "client " + strconv.Itoa(i+1)
}

// named is a client and what it is called.
type named struct {
	*framework.Client
	name string
}

type handler struct {
	Options
	clients []named
	copies  copies

	mu    sync.Mutex
	known map[queueKey]struct{} // queues that were shown lately, and may be asked for
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "this is read only: use GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	asked := r.URL.Query() // and not FormValue, which reads a body
	report := h.report(r.Context(), asked.Get("queue"), asked.Get("client"))
	const html, object = "text/html", "application/json"
	format := accept.Best(r, html, object)
	if asked.Get("format") == "json" {
		format = object
	}
	var body bytes.Buffer
	var err error
	if format == object {
		encoder := json.NewEncoder(&body)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		format += "; charset=utf-8"
		err = page.Execute(&body, newView(report, request{filter: asked.Get("filter"), queue: asked.Get("queue"), client: asked.Get("client")}))
	}
	secure(w.Header())
	if err != nil {
		http.Error(w, "the page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", format)
	_, _ = w.Write(body.Bytes()) // to whoever still listens
}

// secure forbids a browser everything that the page does not need.
func secure(header http.Header) {
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Vary", "Accept")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
}

// report collects what is shown. queue and client are what the request asks for, if it does.
func (h *handler) report(ctx context.Context, queue, client string) *Report {
	r := &Report{Time: stamp(time.Now()), Ready: true, Live: true, Clients: make([]Client, len(h.clients))}
	for i, cli := range h.clients {
		c := h.client(cli, i+1)
		r.Clients[i], r.Ready, r.Live = c, r.Ready && c.Ready, r.Live && c.Live
	}
	if queue != "" {
		r.Queue = h.queue(ctx, r.Clients, queue, client)
	}
	return r
}
