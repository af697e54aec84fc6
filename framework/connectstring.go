package framework

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode"
)

// defaultPort is ZooKeeper's client port.
const defaultPort = "2181"

// parseConnectString reads ZooKeeper's form "host:port,host:port/chroot". A missing port is 2181; IPv6 addresses stand
// in brackets. All that is wrong is reported at once.
func parseConnectString(s string) (servers []string, chroot space, err error) {
	var errs []error
	hosts := s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		hosts = s[:i]
		if chroot, err = parseChroot(s[i:]); err != nil {
			errs = append(errs, err)
		}
	}
	if strings.TrimSpace(hosts) == "" {
		return nil, "", errors.Join(append(errs, errors.New("it names no server; write \"host:port,host:port/chroot\""))...)
	}
	for h := range strings.SplitSeq(hosts, ",") {
		addr, err := parseServer(strings.TrimSpace(h))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		servers = append(servers, addr)
	}
	return servers, chroot, errors.Join(errs...)
}

func parseChroot(s string) (space, error) {
	if s == "/" {
		return "", nil
	}
	if err := ValidatePath(s); err != nil {
		return "", fmt.Errorf("chroot: %w", err)
	}
	return space(s), nil
}

func parseServer(s string) (string, error) {
	if s == "" {
		return "", errors.New("it has an empty server between commas")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port, err = net.SplitHostPort(s + ":" + defaultPort)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("server %q is not host:port; an IPv6 address must stand in brackets", s)
	case host == "":
		return "", fmt.Errorf("server %q has no host", s)
	case strings.ContainsFunc(host, unicode.IsSpace):
		return "", fmt.Errorf("server %q: a host has no spaces", s)
	case strings.Contains(host, ":") && net.ParseIP(withoutZone(host)) == nil:
		return "", fmt.Errorf("server %q: %q is not an IPv6 address", s, host)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("server %q: port must be a number from 1 to 65535", s)
	}
	return net.JoinHostPort(host, port), nil
}

// withoutZone cuts the zone off an IPv6 address, as in fe80::1%eth0.
func withoutZone(host string) string {
	host, _, _ = strings.Cut(host, "%")
	return host
}
