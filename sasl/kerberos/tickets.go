package kerberos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"

	"github.com/docent-zk/docent/sasl"
)

// pauses are the first and the longest pause after a failed exchange with a KDC. The pause doubles with each failure. The KDC is not asked
// during a pause.
type pauses struct{ first, longest time.Duration }

// pausesFor returns the pauses for a kind of failure. A KDC that counts wrong passwords may lock the account after ten of them in half
// an hour.
func pausesFor(err error) pauses {
	switch {
	case errors.Is(err, sasl.ErrCredentials):
		return pauses{30 * time.Second, 10 * time.Minute}
	case errors.Is(err, sasl.ErrUnreachable):
		return pauses{500 * time.Millisecond, 5 * time.Second}
	}
	return pauses{500 * time.Millisecond, time.Minute}
}

// newTicketAge is how long a ticket counts as new.
const newTicketAge = 10 * time.Second

// refreshRetry bounds the pause between two attempts to get new tickets in the background.
const (
	refreshRetryFirst   = time.Second
	refreshRetryLongest = time.Minute
	refreshLimit        = 30 * time.Second
)

// source is where ticket-granting tickets come from.
type source interface {
	// fetch returns a new ticket-granting ticket. Held is the one in use, or nil. A source that cannot replace it returns held with an error.
	// Tickets that come with an error can be used.
	fetch(ctx context.Context, n *network, held *ticket) (fetched, error)
	// news reports whether the source has changed since the last fetch.
	news() bool
}

// fetched is what a source has: a ticket-granting ticket, nil if it has none, and tickets for services.
type fetched struct {
	owner    principal
	tgt      *ticket
	services []*ticket
}

// tickets holds the tickets of one client. One goroutine at a time talks to KDCs; others wait for the tickets that it gets.
//
//	no ticket ──login, or the cache is read──▶ held ──four fifths of its life──▶ refreshed in the background ──▶ held
//	    ▲                                       │                                      │ KDC away: again and again
//	    └───────────────── expired ─────────────┴──────────────────────────────────────┘
type tickets struct {
	source  source
	network func() (*network, error)
	warn    func(message string, err error)

	turn chan struct{} // holds a token while somebody talks to KDCs

	mu       sync.Mutex
	owner    principal // of the tickets
	tgt      *ticket
	warned   string // the last warning
	problem  error  // why the last refresh failed; nil if it did not
	since    time.Time
	services map[principal]*ticket
	failures map[principal]*failure // by server; the empty one is the login
	refresh  *time.Timer
	closed   bool
	ctx      context.Context // ends with close
	cancel   context.CancelFunc
	working  sync.WaitGroup
}

// failure is the last failed exchange with a KDC. It is returned again until the pause is over.
type failure struct {
	err   *sasl.Error
	pause time.Duration
	until time.Time
}

func newTickets(from source, network func() (*network, error), warn func(string, error)) *tickets {
	t := &tickets{
		source: from, network: network, warn: warn, turn: make(chan struct{}, 1),
		services: make(map[principal]*ticket), failures: make(map[principal]*failure),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// refreshFailed is the text of the warning.
const refreshFailed = "Kerberos tickets cannot be refreshed; those in use last until they expire"

var errClosed = errors.New("the mechanism is closed")

// service returns a ticket for a server.
func (t *tickets) service(ctx context.Context, server principal) (*ticket, error) {
	if held, err := t.held(server); held != nil || err != nil {
		return held, err
	}
	if err := t.takeTurn(ctx); err != nil {
		return nil, err
	}
	defer func() { <-t.turn }()
	if held, err := t.held(server); held != nil || err != nil {
		return held, err
	}
	return t.obtain(ctx, server)
}

// prepare gets a ticket-granting ticket, unless there is one, or a ticket for a server.
func (t *tickets) prepare(ctx context.Context) error {
	if ready, err := t.ready(); ready || err != nil {
		return err
	}
	if err := t.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-t.turn }()
	if ready, err := t.ready(); ready || err != nil {
		return err
	}
	n, err := t.network()
	if err != nil {
		return err
	}
	_, err = t.grantor(ctx, n)
	if ready, _ := t.ready(); ready || err == nil {
		return nil
	}
	return t.failed(principal{}, err)
}

// ready reports whether there is a ticket to begin with. During the pause after a failure it returns that failure.
func (t *tickets) ready() (bool, error) {
	if t.source.news() {
		return false, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, held := range t.services {
		if held.usable() {
			return true, nil
		}
	}
	if t.closed {
		return false, fail(sasl.ErrConfiguration, "", errClosed)
	}
	if f := t.failures[principal{}]; f != nil && time.Now().Before(f.until) && !t.tgt.usable() {
		return false, f.err
	}
	return t.tgt.usable(), nil
}

// takeTurn waits until nobody else talks to KDCs.
func (t *tickets) takeTurn(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fail(sasl.ErrUnreachable, "the KDC is slow, or away", context.Cause(ctx))
	}
}

// held returns the ticket in use, or the last failure while its pause lasts. If it returns neither, a KDC has to be asked.
func (t *tickets) held(server principal) (*ticket, error) {
	news := t.source.news()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, fail(sasl.ErrConfiguration, "", errClosed)
	}
	if news {
		clear(t.failures)
		return nil, nil
	}
	if held := t.services[server]; held.usable() {
		return held, nil
	}
	for _, about := range []principal{{}, server} {
		if f := t.failures[about]; f != nil && time.Now().Before(f.until) {
			return nil, f.err
		}
	}
	return nil, nil
}

// obtain asks the source and the KDC. Its caller has the turn.
func (t *tickets) obtain(ctx context.Context, server principal) (*ticket, error) {
	n, err := t.network()
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		tgt, err := t.grantor(ctx, n)
		if held := t.inUse(server); held != nil {
			return held, nil
		}
		if err != nil {
			return nil, t.failed(principal{}, err)
		}
		got, err := n.service(ctx, tgt, server)
		if err == nil {
			t.keep(server, got)
			return got, nil
		}
		if again || !stale(err) {
			return nil, t.failed(server, err)
		}
		t.discard(tgt)
	}
}

// stale reports whether the KDC does not take the ticket-granting ticket, although it has not ended by the clock of this machine.
func stale(err error) bool {
	switch code(err) {
	case errorcode.KRB_AP_ERR_TKT_EXPIRED, errorcode.KRB_AP_ERR_BAD_INTEGRITY, errorcode.KRB_AP_ERR_BADKEYVER, errorcode.KRB_AP_ERR_NOKEY, errorcode.KDC_ERR_TGT_REVOKED:
		return true
	}
	return false
}

// grantor returns the ticket-granting ticket in use, or gets one.
func (t *tickets) grantor(ctx context.Context, n *network) (*ticket, error) {
	t.mu.Lock()
	tgt := t.tgt
	t.mu.Unlock()
	if tgt.usable() && !t.source.news() {
		return tgt, nil
	}
	got, err := t.fetch(ctx, n, tgt)
	switch {
	case got.usable():
		return got, nil
	case err == nil:
		err = fail(sasl.ErrExpired, "see how long the KDC lets tickets live", errors.New("the KDC's new ticket ends at once"))
	}
	return nil, err
}

// fetch gets a ticket-granting ticket from the source and puts it in the place of the one in use. It may return one with an error.
func (t *tickets) fetch(ctx context.Context, n *network, held *ticket) (*ticket, error) {
	got, err := t.source.fetch(ctx, n, held)
	t.mu.Lock()
	defer t.mu.Unlock()
	if got.owner != (principal{}) && got.owner != t.owner {
		clear(t.services) // of somebody else
		t.owner = got.owner
	}
	for _, s := range got.services {
		if s.usable() {
			t.services[s.server] = s
			if s.server.realm == got.owner.realm {
				t.services[principal{name: s.server.name}] = s
			}
		}
	}
	if err == nil {
		delete(t.failures, principal{})
		t.problem = nil
	}
	if got.tgt != nil && t.tgt != got.tgt {
		t.tgt = got.tgt
		t.schedule(max(got.tgt.refreshIn(), refreshRetryFirst/2))
	}
	return got.tgt, err
}

// inUse returns the ticket for a server that can be used now, or nil.
func (t *tickets) inUse(server principal) *ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	if held := t.services[server]; held.usable() {
		return held
	}
	return nil
}

func (t *tickets) keep(server principal, got *ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.services[server] = got
	delete(t.failures, server)
}

// discard takes the ticket-granting ticket out of use.
func (t *tickets) discard(tgt *ticket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tgt == tgt {
		t.tgt = nil
	}
}

// dismiss takes a ticket for a server that did not take it out of use, so that the next exchange gets another one. A new ticket stays:
// another one would be the same.
func (t *tickets) dismiss(which *ticket) {
	if time.Since(which.got) < newTicketAge {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for server, held := range t.services {
		if held == which {
			delete(t.services, server)
		}
	}
}

// failed notes a failure, unless it is the caller's that gave up.
func (t *tickets) failed(about principal, err error) error {
	var explained *sasl.Error
	if !errors.As(err, &explained) {
		explained = fail(sasl.ErrUnreachable, "", err)
	}
	if givenUp(err) {
		return explained
	}
	if errors.Is(explained, sasl.ErrUnreachable) {
		about = principal{}
	}
	between := pausesFor(explained)
	t.mu.Lock()
	defer t.mu.Unlock()
	pause := between.first
	if last := t.failures[about]; last != nil {
		pause = min(max(2*last.pause, between.first), between.longest)
	}
	t.failures[about] = &failure{explained, pause, time.Now().Add(pause)}
	return explained
}

// schedule has the tickets refreshed after a while. Its caller has mu.
func (t *tickets) schedule(after time.Duration) {
	if t.closed {
		return
	}
	if t.refresh != nil {
		t.refresh.Stop()
	}
	t.refresh = time.AfterFunc(after, t.refreshNow)
}

// refreshNow gets new tickets ahead of the end of those in use, so that a KDC that is away for a while is not noticed.
func (t *tickets) refreshNow() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.working.Add(1)
	t.mu.Unlock()
	defer t.working.Done()
	ctx, cancel := context.WithTimeout(t.ctx, refreshLimit)
	defer cancel()
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-t.turn }()
	if err := t.noted(t.refreshAll(ctx)); err != nil {
		t.warn(refreshFailed, err)
	}
}

// noted schedules another attempt for a refresh that has failed. It returns an error that has not been reported yet.
func (t *tickets) noted(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil || t.closed {
		t.warned, t.problem = "", nil
		return nil
	}
	if t.problem == nil {
		t.since = time.Now()
	}
	t.problem = fmt.Errorf("%s: %w", refreshFailed, err)
	t.schedule(t.retryIn())
	if text := err.Error(); text != t.warned {
		t.warned = text
		return err
	}
	return nil
}

// retryIn is the pause of a refresh that has failed: a fifth of what is left, the longest one when nothing is, and that of a failed login if
// that lasts longer. Its caller has mu.
func (t *tickets) retryIn() time.Duration {
	pause := refreshRetryLongest
	if t.tgt != nil && time.Now().Before(t.tgt.end) {
		pause = min(max(time.Until(t.tgt.end)/5, refreshRetryFirst), refreshRetryLongest)
	}
	if f := t.failures[principal{}]; f != nil {
		pause = max(pause, time.Until(f.until))
	}
	return pause
}

// refreshAll gets a new ticket-granting ticket, and new tickets for the servers in use. Without the latter those in use remain.
func (t *tickets) refreshAll(ctx context.Context) error {
	n, err := t.network()
	if err != nil {
		return err
	}
	t.mu.Lock()
	if f := t.failures[principal{}]; f != nil && time.Now().Before(f.until) {
		t.mu.Unlock()
		return f.err
	}
	held := t.tgt
	servers := make([]principal, 0, len(t.services))
	for server, s := range t.services {
		if s.usable() {
			servers = append(servers, server)
		} else {
			delete(t.services, server)
		}
	}
	t.mu.Unlock()
	tgt, err := t.fetch(ctx, n, held)
	switch {
	case errors.Is(err, sasl.ErrCredentials):
		return t.failed(principal{}, err)
	case err != nil:
		return err
	}
	for _, server := range servers {
		if got, err := n.service(ctx, tgt, server); err == nil {
			t.keep(server, got)
		}
	}
	return nil
}

// close ends the refreshing and waits for one that is under way.
func (t *tickets) close() {
	t.mu.Lock()
	t.closed = true
	if t.refresh != nil {
		t.refresh.Stop()
	}
	t.cancel()
	t.mu.Unlock()
	t.working.Wait()
}
