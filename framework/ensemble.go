package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// ensembleConfig is the node with the ensemble's configuration, above any chroot (ZooKeeper 3.5, ZOOKEEPER-107).
const ensembleConfig = "/zookeeper/config"

// parseEnsemble returns the client addresses in an ensemble's configuration. Each member has a line of the form
//
//	server.<id>=<host>:<port>:<port>[:<role>][|<further addresses>];[<client host>:]<client port>
//
// If the client host is missing or a wildcard, the member's own host is used. Observers are included. It returns an
// error if a member has no client port, for example because the port is in a separate file: the list would be
// incomplete.
func parseEnsemble(data []byte) (servers []string, err error) {
	var errs []error
	for line := range strings.Lines(string(data)) {
		id, member, _ := strings.Cut(strings.TrimSpace(line), "=")
		if !strings.HasPrefix(id, "server.") {
			continue
		}
		server, err := parseMember(member)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", id, err))
			continue
		}
		servers = append(servers, server)
	}
	if len(servers) == 0 {
		errs = append(errs, errors.New("it names no server"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return parseServers(servers)
}

// parseMember returns the client address of one member.
func parseMember(member string) (string, error) {
	peer, client, ok := strings.Cut(member, ";")
	if client = strings.TrimSpace(client); !ok || client == "" {
		return "", errors.New("it has no client port; write the port behind a semicolon in the ensemble's dynamic configuration")
	}
	host, port := "", client
	if strings.Contains(client, ":") {
		var err error
		if host, port, err = net.SplitHostPort(client); err != nil {
			return "", fmt.Errorf("client address %q is not host:port", client)
		}
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		if host = peerHost(peer); host == "" {
			return "", fmt.Errorf("member %q has no host", peer)
		}
	}
	return net.JoinHostPort(host, port), nil
}

// peerHost returns the host of the first address under which other members reach a member.
func peerHost(peer string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(peer), "|")
	if inner, ok := strings.CutPrefix(first, "["); ok {
		host, _, _ := strings.Cut(inner, "]")
		return host
	}
	host, _, _ := strings.Cut(first, ":")
	return host
}

// track passes every configuration of the ensemble to the roster until ctx ends.
func (r *roster) track(ctx context.Context) {
	top := ops{core: r.c}
	for ctx.Err() == nil {
		node, w, err := top.WatchData(ctx, ensembleConfig)
		if err != nil {
			r.refused(&r.toldEnsemble, "the configuration of the ensemble cannot be read", err)
			_ = sleep(ctx, r.every)
			continue
		}
		servers, err := parseEnsemble(node.Data)
		if err != nil {
			r.refused(&r.toldEnsemble, "the configuration of the ensemble cannot be used", err)
		} else {
			r.toldEnsemble.Store(nil)
			select {
			case r.configured <- servers:
			case <-ctx.Done():
			}
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			w.Stop()
		}
	}
}
