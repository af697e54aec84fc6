package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Servers supplies the list of servers for [Config.Servers]. [ServersFunc] and [SRV] implement it. It is not needed for
// a name with several addresses: each name is resolved at each dial and counts as that many servers.
type Servers interface {
	// Servers returns the servers as "host:port"; the port defaults to 2181. The order does not matter, and duplicates
	// count once. After an error, an empty list or an invalid one, the previous list stays in use. Servers is called by
	// one goroutine at a time, every Config.ServersRefresh and when no server can be reached. It must return when ctx
	// ends. If it does not, it is not called again, but nothing else waits for it.
	Servers(ctx context.Context) ([]string, error)
}

// ServersFunc is a function that implements [Servers].
type ServersFunc func(ctx context.Context) ([]string, error)

// Servers implements [Servers].
func (f ServersFunc) Servers(ctx context.Context) ([]string, error) { return f(ctx) }

// SRV reads the servers from DNS service records (RFC 2782). It ignores priorities and weights, because all servers of
// an ensemble are alike. Use [Config.Prefer] to prefer some.
type SRV struct {
	// Name is the full name of the records, such as "_zookeeper._tcp.example.org".
	Name string
	// LookupSRV queries the records.
	// Defaults to net.DefaultResolver's LookupSRV.
	LookupSRV func(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// Servers implements [Servers].
func (s SRV) Servers(ctx context.Context) ([]string, error) {
	lookup := s.LookupSRV
	if lookup == nil {
		lookup = net.DefaultResolver.LookupSRV
	}
	_, records, err := lookup(ctx, "", "", s.Name)
	if err != nil {
		return nil, fmt.Errorf("service records of %s: %w", s.Name, err)
	}
	var servers []string
	for _, r := range records {
		if r.Target != "." { // "." means that the service is not available
			servers = append(servers, net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
		}
	}
	return servers, nil
}

// parseServers checks a list of servers. The error lists every mistake.
func parseServers(list []string) ([]string, error) {
	var errs []error
	servers := make([]string, 0, len(list))
	for _, s := range list {
		server, err := parseServer(strings.TrimSpace(s))
		if err != nil {
			errs = append(errs, err)
		} else if !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	if len(list) == 0 {
		errs = append(errs, errors.New("the list is empty"))
	}
	return servers, errors.Join(errs...)
}
