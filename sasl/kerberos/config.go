package kerberos

import (
	"errors"
	"fmt"
	"log/slog"
)

// Config names the client and the source of its tickets. Set at most one of Keytab, Password and CredentialCache. If
// none is set, the tickets of the user's credential cache are used.
//
// The password is not printed with a Config.
type Config struct {
	// Principal is the client's name, such as "orders@EXAMPLE.COM" or "orders/host.example.com". Without a realm, the
	// default_realm of krb5.conf is used. It is required with Password.
	// Defaults to the only principal in the keytab, or to the owner of the credential cache.
	Principal string
	// Keytab is the path of a file with the principal's keys. The file is read for each login, so it can be replaced.
	Keytab string
	// Password is the principal's password.
	Password string
	// CredentialCache names the cache that kinit fills: a path, FILE:path or DIR:path. It is read again when it
	// changes.
	// Defaults to KRB5CCNAME, then to default_ccache_name of krb5.conf, then to /tmp/krb5cc_<uid>.
	CredentialCache string

	// ServerPrincipal is the principal of the servers, such as "zookeeper/_HOST@EXAMPLE.COM". _HOST is replaced by the
	// host of the server that the client connects to. Without a realm, domain_realm in krb5.conf or the KDC of the
	// client's realm determines it. It corresponds to zookeeper.server.principal and zookeeper.sasl.client.username of
	// Java clients.
	// Defaults to "zookeeper/_HOST".
	ServerPrincipal string
	// HostNames says which host name replaces _HOST.
	// Defaults to DefaultHostNames.
	HostNames HostNames

	// Krb5Conf is the path of krb5.conf, or several paths, separated as in PATH; earlier ones take precedence.
	// Defaults to KRB5_CONFIG, then to /etc/krb5.conf.
	Krb5Conf string
	// Logger receives a warning if tickets cannot be refreshed in the background.
	// Defaults to none.
	Logger *slog.Logger
}

// HostNames is a rule for the host name in a server's principal.
type HostNames int

const (
	// DefaultHostNames is CanonicalHostNames, unless krb5.conf disables dns_canonicalize_hostname or rdns.
	DefaultHostNames HostNames = iota
	// CanonicalHostNames uses the name that DNS returns for the connected address, as Java clients do, if DNS resolves
	// the name to this address. Otherwise it uses the host in the connect string.
	CanonicalHostNames
	// PlainHostNames uses the host in the connect string, as Java clients do with
	// zookeeper.sasl.client.canonicalize.hostname=false.
	PlainHostNames
)

// String returns the principal and the source of the tickets, without the password.
func (c Config) String() string {
	who := c.Principal
	if who == "" {
		who = "the owner"
	}
	switch {
	case c.Keytab != "":
		return fmt.Sprintf("%s as %s of keytab %s", mechanismName, who, c.Keytab)
	case c.Password != "":
		return fmt.Sprintf("%s as %s with a password", mechanismName, who)
	case c.CredentialCache != "":
		return fmt.Sprintf("%s as %s of credential cache %s", mechanismName, who, c.CredentialCache)
	}
	return fmt.Sprintf("%s as %s of the user's credential cache", mechanismName, who)
}

// GoString returns the same as String.
func (c Config) GoString() string { return c.String() }

// LogValue returns the same as String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText returns the same as String, for encoders such as package encoding/json.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// validate parses the principals.
func (c Config) validate() (client, server principal, err error) {
	sources := 0
	for _, set := range []string{c.Keytab, c.Password, c.CredentialCache} {
		if set != "" {
			sources++
		}
	}
	var errs []error
	if sources > 1 {
		errs = append(errs, errors.New("more than one of Keytab, Password and CredentialCache is set"))
	}
	if c.Password != "" && c.Principal == "" {
		errs = append(errs, errors.New("a password without a Principal"))
	}
	if c.HostNames < DefaultHostNames || c.HostNames > PlainHostNames {
		errs = append(errs, fmt.Errorf("HostNames is %d", c.HostNames))
	}
	if c.Principal != "" {
		client, err = parsePrincipal(c.Principal)
		errs = append(errs, err)
	}
	name := c.ServerPrincipal
	if name == "" {
		name = "zookeeper/" + hostPlace
	}
	server, err = parsePrincipal(name)
	return client, server, errors.Join(append(errs, err)...)
}
