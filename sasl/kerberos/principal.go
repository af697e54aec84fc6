package kerberos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/docent-zk/docent/sasl"
)

// hostPlace is replaced with the server's host in Config.ServerPrincipal.
const hostPlace = "_HOST"

// principal is a name in a realm, which is "" as long as it is to be found out.
type principal struct {
	name  string // components with slashes between them
	realm string
}

// parsePrincipal reads name[/instance][@REALM].
func parsePrincipal(text string) (principal, error) {
	p := principal{name: text}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		p = principal{text[:i], text[i+1:]}
		if p.realm == "" {
			return p, fmt.Errorf("%q has no realm behind the @", text)
		}
	}
	if slices.Contains(strings.Split(p.name, "/"), "") {
		return p, fmt.Errorf("%q has an empty component", text)
	}
	return p, nil
}

func (p principal) String() string {
	if p.realm == "" {
		return p.name
	}
	return p.name + "@" + p.realm
}

func (p principal) wire(nameType int32) types.PrincipalName {
	return types.NewPrincipalName(nameType, p.name)
}

func principalOf(name types.PrincipalName, realm string) principal {
	return principal{name.PrincipalNameString(), realm}
}

// tgtOf is the ticket-granting service for a realm, at the KDC of another one or the same.
func tgtOf(realm, at string) principal { return principal{"krbtgt/" + realm, at} }

// grants returns the realm that a ticket-granting service is for, "" for another service.
func (p principal) grants() string {
	realm, ok := strings.CutPrefix(p.name, "krbtgt/")
	if !ok {
		return ""
	}
	return realm
}

func (p principal) nameType() int32 {
	if p.grants() != "" {
		return nametype.KRB_NT_SRV_INST
	}
	if strings.Contains(p.name, "/") {
		return nametype.KRB_NT_SRV_HST
	}
	return nametype.KRB_NT_PRINCIPAL
}

// resolver is what is asked for names of hosts. *net.Resolver is one.
type resolver interface {
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
}

// lookupLimit bounds how long a connection waits for the name of its server.
const lookupLimit = 2 * time.Second

// serverPrincipal is the one that a server is expected to have. Doubt says what stood in the way of its canonical name.
func (m *Mechanism) serverPrincipal(ctx context.Context, s *settings, server sasl.Server) (p principal, doubt error) {
	p = m.server
	host := strings.ToLower(strings.TrimSuffix(server.Host, "."))
	if strings.Contains(p.name, hostPlace) && m.canonicalizes(s) {
		ctx, cancel := context.WithTimeout(ctx, lookupLimit)
		defer cancel()
		if name, err := canonicalHost(ctx, m.resolver, server.Address); err == nil {
			host = name
		} else {
			doubt = err
		}
	}
	p.name = strings.ReplaceAll(p.name, hostPlace, host)
	if p.realm == "" && strings.Contains(p.name, "/") {
		_, instance, _ := strings.Cut(p.name, "/")
		p.realm = s.realmOf(instance)
	}
	return p, doubt
}

func (m *Mechanism) canonicalizes(s *settings) bool {
	return m.cfg.HostNames == CanonicalHostNames || m.cfg.HostNames == DefaultHostNames && s.hostsByDNS && s.reverse
}

// canonicalHost is the name of an address that DNS also resolves to that address, as Java's getCanonicalHostName finds it.
func canonicalHost(ctx context.Context, dns resolver, address string) (string, error) {
	ip, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	names, err := dns.LookupAddr(ctx, ip)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", errors.New("the address " + ip + " has no name")
	}
	name := strings.ToLower(strings.TrimSuffix(names[0], "."))
	addrs, err := dns.LookupHost(ctx, name)
	if err != nil {
		return "", err
	}
	parsed := net.ParseIP(ip)
	if !slices.ContainsFunc(addrs, func(addr string) bool { return parsed.Equal(net.ParseIP(addr)) }) {
		return "", fmt.Errorf("the address %s is called %s, which is the name of other addresses", ip, name)
	}
	return name, nil
}
