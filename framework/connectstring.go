package framework

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// defaultPort is ZooKeeper's client port.
const defaultPort = "2181"

// ParseConnectString parses a connect string by the rules of Config.ConnectString. It returns the servers as "host:port",
// in the given order, and the chroot, which is "/" if the string has none. The error lists every mistake. Names are not
// resolved.
func ParseConnectString(s string) (servers []string, chroot string, err error) {
	servers, space, err := parseConnectString(s)
	if err != nil {
		return nil, "", err
	}
	return servers, space.name(), nil
}

// parseConnectString parses ZooKeeper's form "host:port,host:port/chroot". The port defaults to 2181; IPv6 addresses
// are in brackets. The error lists every mistake. Ambiguous strings are refused.
func parseConnectString(s string) (servers []string, chroot space, err error) {
	if err := wholly(s); err != nil {
		return nil, "", err
	}
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
	if err := errors.Join(errs...); err != nil {
		return nil, "", err
	}
	return servers, chroot, nil
}

// servers parses ConnectString. It need not name a server if Config.Servers is set.
func (c *Config) servers() (servers []string, chroot space, err error) {
	if s := strings.TrimSpace(c.ConnectString); c.Servers != nil && (s == "" || s[0] == '/') {
		if s == "" {
			return nil, "", nil
		}
		chroot, err = parseChroot(s)
		return nil, chroot, err
	}
	return parseConnectString(c.ConnectString)
}

// scheme matches the beginning of a URL.
var scheme = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://`)

// wholly checks the string as a whole. Its error does not repeat credentials.
func wholly(s string) error {
	plain := scheme.ReplaceAllString(s, "")
	hosts, chroot, _ := strings.Cut(plain, "/")
	listed := strings.Contains(chroot, ",")
	switch {
	case strings.Contains(hosts, "@"), listed && strings.Contains(chroot, "@"):
		return errors.New("it has an \"@\"; identities go into Config.Auth")
	case plain != s:
		return fmt.Errorf("it has a scheme; write %q", rightForm(s))
	case strings.Contains(s, ";"):
		return fmt.Errorf("it has a semicolon; servers are separated by commas: %q", rightForm(s))
	case listed && hosts != "":
		// A path may contain a comma, but then only the first server would be named, which is rarely intended.
		return fmt.Errorf("a chroot is for all servers and is written once, at the end: %q (a path with a comma is possible in Config.Namespace)", rightForm(s))
	}
	return nil
}

// rightForm guesses what s was meant to be. The result is for an error message only.
func rightForm(s string) string {
	s = strings.ReplaceAll(scheme.ReplaceAllString(s, ""), ";", ",")
	var hosts, chroots []string
	for part := range strings.SplitSeq(s, ",") {
		host, chroot, _ := strings.Cut(strings.TrimSpace(part), "/")
		hosts = append(hosts, host)
		if chroot = strings.TrimSuffix(chroot, "/"); chroot != "" && !slices.Contains(chroots, chroot) {
			chroots = append(chroots, chroot)
		}
	}
	form := strings.Join(hosts, ",")
	switch len(chroots) {
	case 0:
		return form
	case 1:
		return form + "/" + chroots[0]
	}
	return form + "/chroot"
}

// portBehind matches a chroot that ends with a port.
var portBehind = regexp.MustCompile(`:[0-9]+$`)

func parseChroot(s string) (space, error) {
	if s == "/" {
		return "", nil
	}
	if err := ValidatePath(s); err != nil {
		return "", fmt.Errorf("chroot: %w", err)
	}
	switch port := portBehind.FindString(s); {
	case port != "":
		return "", fmt.Errorf("chroot %q ends with a port; write the port behind its host: %q", s, "host"+port+strings.TrimSuffix(s, port))
	case strings.ContainsFunc(s, unicode.IsSpace):
		return "", fmt.Errorf("chroot %q has a space; a path with spaces is possible in Config.Namespace", s)
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
	if err != nil {
		return "", fmt.Errorf("server %q is not host:port; an IPv6 address must stand in brackets", s)
	}
	if err := checkHost(s, host); err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", fmt.Errorf("server %q: port must be a number from 1 to 65535", s)
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

// checkHost returns an error if host is neither a valid name nor an address. It does not resolve names.
func checkHost(s, host string) error {
	addr, notAddr := netip.ParseAddr(host)
	bracketed := strings.HasPrefix(s, "[")
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case host == "":
		return fmt.Errorf("server %q has no host", s)
	case strings.ContainsFunc(host, unicode.IsSpace):
		return fmt.Errorf("server %q: a host has no spaces; servers are separated by commas", s)
	case bracketed && (notAddr != nil || !addr.Is6()):
		return fmt.Errorf("server %q: %q is not an IPv6 address, which is what brackets are for", s, host)
	case notAddr == nil:
		return nil
	case strings.ContainsFunc(host, noHostRune) || strings.HasPrefix(host, ".") || strings.Contains(host, ".."):
		return fmt.Errorf("server %q: %q is not a host name", s, host)
	case last != "" && strings.Trim(last, "0123456789") == "":
		return fmt.Errorf("server %q: %q is neither a name nor an IPv4 address", s, host)
	}
	return nil
}

// noHostRune reports whether r is not allowed in a host name.
func noHostRune(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.", r)
}
