package kerberos

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"time"
)

// Resolver and Dialer are what tests put in the place of DNS and of connections to KDCs.
type (
	Resolver = resolver
	Dialer   = func(ctx context.Context, network, address string) (net.Conn, error)
)

// NewWith is New with them.
func NewWith(cfg Config, dial Dialer, dns Resolver) (*Mechanism, error) {
	return newMechanism(cfg, dial, dns)
}

// TicketEnd is the end of the ticket-granting ticket in use, zero without one.
func (m *Mechanism) TicketEnd() time.Time {
	m.tickets.mu.Lock()
	defer m.tickets.mu.Unlock()
	if m.tickets.tgt == nil {
		return time.Time{}
	}
	return m.tickets.tgt.end
}

// For the server's side of tests.
var (
	GSSToken   = gssToken
	OpenToken  = openToken
	TokenReply = tokenReply
	TokenError = tokenError
)

// ParseCache reads a credential cache.
func ParseCache(content []byte) { _, _ = parseCache(content) }

// EncodeCache is a credential cache of version 4 with the tickets of a mechanism.
func EncodeCache(m *Mechanism) []byte {
	m.tickets.mu.Lock()
	defer m.tickets.mu.Unlock()
	b := []byte{5, 4, 0, 12, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}
	b = appendPrincipal(b, m.tickets.tgt.client)
	// A setting of the cache, in the form of a ticket.
	setting := &ticket{client: m.tickets.tgt.client, server: principal{"krb5_ccache_conf_data/fast_avail", "X-CACHECONF:"}}
	b = appendTicket(b, setting, []byte("yes"))
	encoded, err := m.tickets.tgt.ticket.Marshal()
	if err != nil {
		panic(err)
	}
	return appendTicket(b, m.tickets.tgt, encoded)
}

func appendPrincipal(b []byte, p principal) []byte {
	names := strings.Split(p.name, "/")
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(names)))
	b = appendData(b, []byte(p.realm))
	for _, name := range names {
		b = appendData(b, []byte(name))
	}
	return b
}

func appendData(b, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(data))), data...)
}

func appendTicket(b []byte, t *ticket, encoded []byte) []byte {
	b = appendPrincipal(appendPrincipal(b, t.client), t.server)
	b = binary.BigEndian.AppendUint16(b, uint16(t.key.KeyType))
	b = appendData(b, t.key.KeyValue)
	for _, at := range []time.Time{t.start, t.start, t.end, t.renewTill} {
		b = binary.BigEndian.AppendUint32(b, uint32(at.Unix()))
	}
	flags := uint32(0)
	if t.renewable {
		flags = 1 << (31 - flagRenewable)
	}
	b = binary.BigEndian.AppendUint32(append(b, 0), flags)
	b = binary.BigEndian.AppendUint64(b, 0) // no addresses, no authorization data
	return appendData(appendData(b, encoded), nil)
}

// Settings are what a test looks at.
type Settings struct {
	Realm                            string
	ClockSkew, TicketLife, RenewLife time.Duration
	Types                            []int32
	HostsByDNS                       bool
	KDCs                             func(realm string) []string
	RealmOf                          func(host string) string
}

// LoadSettings reads files as krb5.conf.
func LoadSettings(paths ...string) (*Settings, error) {
	s, err := loadSettings(paths)
	if err != nil {
		return nil, err
	}
	return &Settings{s.realm, s.clockSkew, s.ticketLife, s.renewLife, s.etypes, s.hostsByDNS, s.kdcs, s.realmOf}, nil
}

// RenewNow renews the ticket-granting ticket in use and has tickets for servers asked for with what comes back.
func (m *Mechanism) RenewNow(ctx context.Context) error {
	n, err := m.network()
	if err != nil {
		return err
	}
	m.tickets.mu.Lock()
	defer m.tickets.mu.Unlock()
	renewed, err := n.renew(ctx, m.tickets.tgt)
	if err != nil {
		return err
	}
	m.tickets.tgt = renewed
	clear(m.tickets.services)
	return nil
}
