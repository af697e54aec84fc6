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

// Servers says which servers there are, for [Config.Servers]. [ServersFunc] and [SRV] implement it. A name with several addresses needs none: every name
// of a list is resolved at each dial and counts as that many servers.
type Servers interface {
	// Servers returns the servers as "host:port"; a missing port is 2181. The order has no meaning, and a server that is listed twice counts once. An
	// error, an empty list or one with a mistake leaves the list that was there before. Servers is called by one goroutine at a time, every
	// Config.ServersRefresh and when no server can be reached. It must honour ctx. If it does not return, it is not called again, and holds
	// up nothing else.
	Servers(ctx context.Context) ([]string, error)
}

// ServersFunc is a function that implements [Servers].
type ServersFunc func(ctx context.Context) ([]string, error)

// Servers implements [Servers].
func (f ServersFunc) Servers(ctx context.Context) ([]string, error) { return f(ctx) }

// SRV reads the servers from DNS service records (RFC 2782). Priorities and weights have no meaning: all servers of an ensemble are alike. Use
// [Config.Prefer] to prefer some.
type SRV struct {
	// Name is the whole name of the records, such as "_zookeeper._tcp.example.org".
	Name string
	// LookupSRV asks for the records. Defaults to net.DefaultResolver's LookupSRV.
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
		if r.Target != "." { // the service is not offered
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
