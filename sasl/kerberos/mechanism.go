package kerberos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/docent-zk/docent/sasl"
)

// Mechanism authenticates with Kerberos. It is safe for concurrent use. Several clients may use it, and then share its
// tickets.
type Mechanism struct {
	cfg      Config
	server   principal
	paths    []string // of krb5.conf
	tickets  *tickets
	dial     dialer
	resolver resolver
	answered answered

	mu       sync.Mutex
	settings *settings // as they were read last
}

var (
	_ sasl.Preparer  = (*Mechanism)(nil)
	_ sasl.Monitored = (*Mechanism)(nil)
	_ sasl.Refusable = (*exchange)(nil)
)

// New returns a Mechanism for framework.Config.SASL. It reads krb5.conf and the keytab, and sends nothing yet. Its
// error is a [sasl.Error] of the kind sasl.ErrConfiguration. Call Close when no client uses the Mechanism any more.
func New(cfg Config) (*Mechanism, error) {
	return newMechanism(cfg, (&net.Dialer{}).DialContext, net.DefaultResolver)
}

func newMechanism(cfg Config, dial dialer, dns resolver) (*Mechanism, error) {
	client, server, err := cfg.validate()
	if err != nil {
		return nil, fail(sasl.ErrConfiguration, "", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Mechanism{cfg: cfg, server: server, paths: krb5ConfPaths(cfg.Krb5Conf), dial: dial, resolver: dns}
	n, err := m.network()
	if err != nil {
		return nil, err
	}
	from, err := newSource(cfg, client, n.settings)
	if err != nil {
		return nil, err
	}
	m.tickets = newTickets(from, m.network, func(message string, err error) { cfg.Logger.Warn(message, "error", err) })
	return m, nil
}

// newSource is the source of a Config's tickets. A keytab has to be there already.
func newSource(cfg Config, client principal, in *settings) (source, error) {
	if cfg.Keytab == "" && cfg.Password == "" {
		return &cacheSource{name: cfg.CredentialCache, owner: client}, nil
	}
	from := &loginSource{client: client, password: &password{secret: cfg.Password}, keytab: cfg.Keytab}
	_, _, err := from.secret(in)
	return from, err
}

// network reads krb5.conf again, for talking to KDCs.
func (m *Mechanism) network() (*network, error) {
	s, err := loadSettings(m.paths)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err == nil:
		m.settings = s
	case m.settings == nil:
		return nil, fail(sasl.ErrConfiguration, "set Config.Krb5Conf or KRB5_CONFIG to the path of krb5.conf", err)
	}
	return &network{settings: m.settings, dial: m.dial, resolver: m.resolver, answered: &m.answered}, nil
}

func (m *Mechanism) current() *settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settings
}

// Name returns "GSSAPI".
func (*Mechanism) Name() string { return mechanismName }

// String returns the principal and the source of the tickets, without the password.
func (m *Mechanism) String() string { return m.cfg.String() }

// GoString returns the same as String.
func (m *Mechanism) GoString() string { return m.String() }

// Prepare obtains a ticket-granting ticket if there are no tickets. So a client does not open connections that it could
// not use. It implements [sasl.Preparer].
func (m *Mechanism) Prepare(ctx context.Context) error { return m.tickets.prepare(ctx) }

// Start obtains a ticket for the server, if there is none, and begins an exchange with the server. Its error is a
// [sasl.Error]. ctx bounds how long it waits for KDCs and DNS.
func (m *Mechanism) Start(ctx context.Context, server sasl.Server) (sasl.Exchange, error) {
	name, doubt := m.serverPrincipal(ctx, m.current(), server)
	t, err := m.tickets.service(ctx, name)
	if err != nil {
		return nil, doubted(err, server, doubt)
	}
	return &exchange{ticket: t, dismiss: m.tickets.dismiss}, nil
}

// doubted adds to the error about an unknown server why it was not asked for by its canonical name.
func doubted(err error, server sasl.Server, doubt error) error {
	var unknown *sasl.Error
	if doubt == nil || !errors.As(err, &unknown) || !errors.Is(unknown, sasl.ErrUnknownServer) {
		return err
	}
	explained := *unknown
	explained.Remedy += fmt.Sprintf("; DNS has no canonical name for %s: %v", server.Address, doubt)
	return &explained
}

// Problem returns why the tickets could not be refreshed, and since when. It implements [sasl.Monitored].
func (m *Mechanism) Problem() (since time.Time, err error) {
	m.tickets.mu.Lock()
	defer m.tickets.mu.Unlock()
	return m.tickets.since, m.tickets.problem
}

// Close stops the refreshing of tickets and waits for requests that are pending. From then on, Start fails. Established
// connections are kept.
func (m *Mechanism) Close() error {
	m.tickets.close()
	return nil
}
