package discovery

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode"
)

// reachable returns why the instance cannot be called, or nil.
func (in *Instance[T]) reachable() error {
	if err := cmp.Or(validateAddress(in.Address), validatePort("Port", in.Port), validatePort("SSLPort", in.SSLPort)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if in.HostPort() != "" || in.complete() {
		return nil
	}
	why := "it has an Address, and neither Port nor SSLPort"
	switch ports := in.Port != 0 || in.SSLPort != 0; {
	case in.Address == "" && ports:
		why = "it has a port and no Address"
	case in.Address == "":
		why = "it has neither Address nor Port"
	}
	if len(in.URISpec) > 0 {
		why += ", and its URISpec wants more: " + in.URISpec.String()
	}
	return fmt.Errorf("%w: %s", ErrUnreachable, why)
}

// complete reports whether the instance has all values that its URISpec takes from it. Other variables are passed to
// [Instance.URI].
func (in *Instance[T]) complete() bool {
	for _, p := range in.URISpec {
		if !p.Variable {
			continue
		}
		switch p.Value {
		case "address", "port", "ssl-port":
			if in.variable(p.Value) == "" {
				return false
			}
		}
	}
	return len(in.URISpec) > 0
}

// validateAddress returns what is wrong with a non-empty address, or nil.
func validateAddress(a string) error {
	if a == "" {
		return nil
	}
	if _, err := netip.ParseAddr(a); err == nil {
		return nil
	}
	host, port, err := net.SplitHostPort(a)
	switch {
	case strings.Contains(a, "://"):
		return fmt.Errorf("Address: %q is a URI; it belongs into URISpec", a)
	case err == nil:
		return fmt.Errorf("Address: %q has a port; write Address %q and Port %s", a, host, port)
	case a[0] == '[':
		return fmt.Errorf("Address: %q has brackets; write an IPv6 address without them", a)
	case !hostName(a):
		return fmt.Errorf("Address: %q is neither a host name nor an IP address", a)
	}
	return nil
}

// hostName reports whether a can be a host name. A name of digits and dots only would be an IP address.
func hostName(a string) bool {
	letter := false
	for _, label := range strings.Split(strings.TrimSuffix(a, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, r := range label {
			if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
				return false
			}
			letter = letter || !unicode.IsDigit(r)
		}
	}
	return letter && len(a) <= 255
}
