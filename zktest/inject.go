package zktest

import (
	"strings"
	"sync"
)

// Rule selects requests, replies or events for [Server.Inject]. Zero fields match everything.
type Rule struct {
	Stage Stage  // Request for a request before it is processed, Reply for its reply, Event for a watch event
	Op    Op     // operation; ignored for events
	Path  string // first path of the request, or path of the event; one that ends with "/" matches what is below it
	Conns Match  // connections, such as SessionConns(id)
	Times int    // number of frames; 0 for all until Remove
}

// Injected is a fault of [Server.Inject].
type Injected struct {
	rule    Rule
	verdict Verdict
	remove  func()

	mu    sync.Mutex
	fired int
}

// Inject applies verdict to the frames that rule selects, up to Rule.Times of them: AnswerWith for a chosen error,
// Drop, Cut, CutAfter or DelayBy. Handshakes are selected only by OpConnect.
func (s *Server) Inject(rule Rule, verdict Verdict) *Injected {
	f := &Injected{rule: rule, verdict: verdict}
	f.remove = s.OnFrame(f.decide)
	return f
}

// Fired returns to how many frames the fault was applied.
func (f *Injected) Fired() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// Remove ends the fault. It may be called more than once.
func (f *Injected) Remove() { f.remove() }

func (f *Injected) decide(frame Frame) Verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rule.Times > 0 && f.fired >= f.rule.Times || !f.rule.selects(frame) {
		return Pass
	}
	f.fired++
	return f.verdict
}

func (r *Rule) selects(f Frame) bool {
	switch {
	case f.Stage != r.Stage,
		r.Conns != nil && !r.Conns(f.Conn),
		r.Path != "" && f.Path != r.Path && !(strings.HasSuffix(r.Path, "/") && strings.HasPrefix(f.Path, r.Path)):
		return false
	case f.Stage == Event:
		return true
	case r.Op == 0:
		return f.Op != OpConnect
	}
	return f.Op == r.Op
}

// LimitConns limits the connections of one IP address to n at each endpoint, as maxClientCnxns does, until heal is
// called. Open connections stay. In memory each client has its own address, and a further connection is refused. Over
// TCP it is reset.
func (s *Server) LimitConns(n int) (heal func()) {
	set := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.maxConns = n
	}
	set(max(n, 1))
	return sync.OnceFunc(func() { set(0) })
}

// crowded reports whether an endpoint has as many connections from a host as it may.
func (s *Server) crowded(e *endpoint, host string) bool {
	if s.maxConns == 0 {
		return false
	}
	n := 0
	for _, c := range s.conns {
		if !c.gone && c.endpoint == e && hostOf(c.addr) == host {
			n++
		}
	}
	return n >= s.maxConns
}
