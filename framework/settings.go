package framework

import (
	"fmt"
	"strings"
	"time"

	"github.com/docent-zk/docent/internal/brief"
)

// Counts are how often something has happened since the client was started. The metrics of docs/telemetry.md count the
// same.
type Counts struct {
	Sessions    int64 // sessions that have begun
	Suspensions int64 // connections that broke during a session
	Losses      int64 // sessions that were lost
	Dials       int64 // attempts to reach a server, failed ones included
	FailedDials int64 // attempts that have failed
}

// Setting is an optional part of [Config] that the client uses, and its condition.
type Setting struct {
	// Name says what it is: "TLS", "SASL", "identities", "session file", "read-only servers", "servers" or "placement".
	Name string
	// State describes it. It never contains credentials.
	State string
	// Err is why it does not work; nil if it does, as far as is known.
	Err error
}

// counted returns the Counts.
func (c *core) counted() Counts {
	n := c.telemetry.Totals()
	return Counts{Sessions: n.Established, Suspensions: n.Suspended, Losses: n.Lost, Dials: n.Dials, FailedDials: n.FailedDials}
}

// settings lists the optional parts of Config that are in use.
func (c *core) settings(g *gate) []Setting {
	var list []Setting
	add := func(name, state string, err error) { list = append(list, Setting{name, state, err}) }
	if state, err := c.hosts.tls.describe(); state != "" {
		add("TLS", state, err)
	}
	ofSASL, ofOthers := c.identityErrors()
	if c.cfg.SASL != nil {
		add("SASL", nameOf(c.cfg.SASL), ofSASL)
	}
	if schemes := c.identities.schemes(); len(schemes) > 0 {
		add("identities", strings.Join(schemes, ", "), ofOthers)
	}
	if c.cfg.SessionFile != "" {
		var err error
		if f := c.sessionFile.failure.Load(); f != nil {
			err = f.err
		}
		add("session file", c.cfg.SessionFile, err)
	}
	if c.cfg.ReadOnly {
		add("read-only servers", c.readOnlyState(g), nil)
	}
	if state := c.serversState(); state != "" {
		add("servers", state, nil)
	}
	if state := c.placementState(); state != "" {
		add("placement", state, nil)
	}
	return list
}

// identityErrors returns why the servers do not accept the client's SASL identity, or one of the others; nil if they do.
func (c *core) identityErrors() (ofSASL, ofOthers error) {
	switch failed := c.identities.failure.Load(); {
	case failed == nil:
		return nil, nil
	case failed.Scheme == "" || failed.Scheme == "sasl":
		return failed, nil
	default:
		return nil, failed
	}
}

// readOnlyState describes Config.ReadOnly.
func (c *core) readOnlyState(g *gate) string {
	if g.State == ReadOnly {
		return "in use: " + g.Server + " serves reads only"
	}
	return "accepted when no other server can be reached"
}

// serversState describes where the list of servers comes from, if it can change.
func (c *core) serversState() string {
	var parts []string
	if c.cfg.Servers != nil {
		parts = append(parts, "listed by Config.Servers")
	}
	if c.cfg.FollowEnsemble {
		parts = append(parts, "following the ensemble's configuration")
	}
	return strings.Join(parts, ", ")
}

// placementState describes how the client chooses its server, and the move that is planned.
func (c *core) placementState() string {
	var parts []string
	if c.cfg.Prefer != nil {
		what := "the present server is not a preferred one"
		if current, preferred := c.hosts.serving(); current == (target{}) {
			what = "some servers are preferred"
		} else if preferred {
			what = "the present server is a preferred one"
		}
		parts = append(parts, what)
	}
	if c.cfg.RebalanceAfter > 0 {
		parts = append(parts, "sessions are spread again after "+brief.Duration(c.cfg.RebalanceAfter))
	}
	if p := c.planned.Load(); p != nil {
		parts = append(parts, fmt.Sprintf("a move is planned in %s because %s", brief.Duration(time.Until(p.at)), p.why))
	}
	return strings.Join(parts, "; ")
}

// describe returns whether TLS is used and until when the client's certificate is valid; "" without TLS. err is why its
// files cannot be used.
func (s *tlsSource) describe() (state string, err error) {
	if s.base == nil {
		return "", nil
	}
	state = "without a client certificate"
	if len(s.base.Certificates) > 0 || s.base.GetClientCertificate != nil {
		state = "with a client certificate"
	}
	_, expires, err := s.failed()
	if !expires.IsZero() {
		state = "with a client certificate that is valid until " + expires.UTC().Format(time.DateTime+" UTC")
	}
	return state, err
}

// schemes returns the schemes of the identities, each one once.
func (s *identities) schemes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := make(map[string]int)
	var order []string
	for _, id := range s.list {
		if counts[id.Scheme]++; counts[id.Scheme] == 1 {
			order = append(order, id.Scheme)
		}
	}
	for i, scheme := range order {
		if n := counts[scheme]; n > 1 {
			order[i] = fmt.Sprintf("%s (%d)", scheme, n)
		}
	}
	return order
}
