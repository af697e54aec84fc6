package kerberos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
)

const (
	defaultKrb5Conf  = "/etc/krb5.conf"
	defaultClockSkew = 5 * time.Minute
)

// settings are the parts of krb5.conf that the client uses.
type settings struct {
	profile *profile

	realm string // default_realm, "" without one
	cache string // default_ccache_name, "" without one

	hostsByDNS  bool // dns_canonicalize_hostname
	reverse     bool // rdns
	kdcsByDNS   bool // dns_lookup_kdc
	clockSkew   time.Duration
	ticketLife  time.Duration
	renewLife   time.Duration
	forwardable bool
	proxiable   bool
	etypes      []int32
}

// krb5ConfPaths returns the files to read: the named ones, or those in KRB5_CONFIG, or the system's.
func krb5ConfPaths(named string) []string {
	for _, list := range []string{named, os.Getenv("KRB5_CONFIG")} {
		if list != "" {
			return filepath.SplitList(list)
		}
	}
	return []string{defaultKrb5Conf}
}

// loadSettings reads the files, of which there has to be one.
func loadSettings(paths []string) (*settings, error) {
	p, err := readProfile(paths)
	if err != nil {
		return nil, err
	}
	return newSettings(p)
}

func newSettings(p *profile) (*settings, error) {
	s := &settings{profile: p, hostsByDNS: true, reverse: true, kdcsByDNS: true, clockSkew: defaultClockSkew, ticketLife: 24 * time.Hour}
	defaults := p.section("libdefaults")
	s.realm, _ = defaults.one("default_realm")
	s.cache, _ = defaults.one("default_ccache_name")
	var errs []error
	for name, field := range map[string]*bool{
		"dns_canonicalize_hostname": &s.hostsByDNS, "rdns": &s.reverse, "dns_lookup_kdc": &s.kdcsByDNS,
		"forwardable": &s.forwardable, "proxiable": &s.proxiable,
	} {
		errs = append(errs, boolean(defaults, name, field))
	}
	for name, field := range map[string]*time.Duration{
		"clockskew": &s.clockSkew, "ticket_lifetime": &s.ticketLife, "renew_lifetime": &s.renewLife,
	} {
		errs = append(errs, duration(defaults, name, field))
	}
	s.etypes = encryptionTypes(defaults)
	if len(s.etypes) == 0 {
		errs = append(errs, errors.New("permitted_enctypes leaves none of AES's encryption types, which are the ones that are supported"))
	}
	return s, errors.Join(errs...)
}

// boolean reads a yes or no.
func boolean(in *section, name string, into *bool) error {
	value, ok := in.one(name)
	if !ok {
		return nil
	}
	switch strings.ToLower(value) {
	case "y", "yes", "true", "t", "1", "on":
		*into = true
	case "n", "no", "false", "nil", "0", "off", "fallback": // the last one of dns_canonicalize_hostname: the name as it is comes first
		*into = false
	default:
		return fmt.Errorf("%s = %s is neither yes nor no", name, value)
	}
	return nil
}

// duration reads seconds, h:m[:s], or a list as in 1d 12h 5m 3s.
func duration(in *section, name string, into *time.Duration) error {
	value, ok := in.one(name)
	if !ok {
		return nil
	}
	d, err := parseDuration(value)
	if err != nil || d < 0 {
		return fmt.Errorf("%s = %s is not a duration", name, value)
	}
	*into = d
	return nil
}

func parseDuration(value string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	if parts := strings.Split(value, ":"); len(parts) == 2 || len(parts) == 3 {
		return time.ParseDuration(parts[0] + "h" + parts[1] + "m" + append(parts, "0")[2] + "s")
	}
	value = strings.ReplaceAll(value, " ", "")
	var days int64
	if before, after, ok := strings.Cut(value, "d"); ok {
		var err error
		if days, err = strconv.ParseInt(before, 10, 16); err != nil {
			return 0, err
		}
		value = after
	}
	if value == "" {
		value = "0s"
	}
	rest, err := time.ParseDuration(value)
	return time.Duration(days)*24*time.Hour + rest, err
}

// supported are the encryption types that the client uses, the preferred one first: servers on Java 8 know the first two only.
var supported = []int32{
	etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128,
}

// encryptionTypes are the supported ones that the configuration permits, in its order.
func encryptionTypes(defaults *section) []int32 {
	for _, name := range []string{"permitted_enctypes", "default_tgs_enctypes"} {
		value, ok := defaults.one(name)
		if !ok {
			continue
		}
		var list []int32
		for _, word := range strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
			list = permit(list, strings.ToLower(word))
		}
		return list
	}
	return slices.Clone(supported)
}

// permit applies one word of permitted_enctypes to a list: it adds encryption types, or removes them after a minus sign.
func permit(list []int32, word string) []int32 {
	word, remove := strings.CutPrefix(word, "-")
	word = strings.TrimPrefix(word, "+")
	types := supported
	if word != "default" && word != "aes" {
		types = []int32{etypeID.EtypeSupported(alias(word))}
	}
	for _, t := range types {
		list = slices.DeleteFunc(list, func(old int32) bool { return remove && old == t })
		if !remove && slices.Contains(supported, t) && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}

func alias(word string) string {
	switch word {
	case "aes256-sha1", "aes256-cts":
		return "aes256-cts-hmac-sha1-96"
	case "aes128-sha1", "aes128-cts":
		return "aes128-cts-hmac-sha1-96"
	case "aes256-sha2":
		return "aes256-cts-hmac-sha384-192"
	case "aes128-sha2":
		return "aes128-cts-hmac-sha256-128"
	}
	return word
}

// kdcs are the addresses of a realm's KDCs, in the order of the configuration.
func (s *settings) kdcs(realm string) []string {
	var addrs []string
	in := s.profile.section("realms", realm)
	for _, name := range []string{"kdc", "primary_kdc", "master_kdc"} {
		for _, addr := range in.all(name) {
			if addr = kdcAddress(addr); addr != "" && !slices.Contains(addrs, addr) {
				addrs = append(addrs, addr)
			}
		}
	}
	return addrs
}

// kdcAddress returns host:port, or "" for a proxy of KDCs on HTTPS, which is not supported.
func kdcAddress(value string) string {
	if strings.HasPrefix(value, "https://") {
		return ""
	}
	value = strings.TrimPrefix(strings.TrimPrefix(value, "tcp/"), "udp/")
	switch {
	case strings.HasSuffix(value, "]"), !strings.Contains(value, ":"):
		return value + ":88"
	case strings.Count(value, ":") > 1 && !strings.HasPrefix(value, "["):
		return "[" + value + "]:88"
	}
	return value
}

// realmOf returns the realm of a host by domain_realm, "" if that does not say.
func (s *settings) realmOf(host string) string {
	in := s.profile.section("domain_realm")
	host = strings.ToLower(host)
	if realm, ok := in.one(host); ok {
		return realm
	}
	for rest := host; ; {
		_, after, ok := strings.Cut(rest, ".")
		if !ok {
			return ""
		}
		for _, name := range []string{"." + after, after} {
			if realm, ok := in.one(name); ok {
				return realm
			}
		}
		rest = after
	}
}

// library returns the settings in the form in which gokrb5 takes them.
func (s *settings) library() *config.Config {
	c := config.New()
	d := &c.LibDefaults
	d.DefaultRealm, d.Clockskew, d.TicketLifetime, d.RenewLifetime = s.realm, s.clockSkew, s.ticketLife, s.renewLife
	d.Forwardable, d.Proxiable, d.Canonicalize, d.NoAddresses = s.forwardable, s.proxiable, true, true
	d.DefaultTktEnctypeIDs, d.DefaultTGSEnctypeIDs, d.PermittedEnctypeIDs = s.etypes, s.etypes, s.etypes
	return c
}
