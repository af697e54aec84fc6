package kerberos_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/sasl/kerberos"
)

func TestConfigsThatAreRefused(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "krb5.conf")
	require.NoError(t, os.WriteFile(conf, []byte("[libdefaults]\n"), 0o600))
	broken := filepath.Join(t.TempDir(), "broken.keytab")
	require.NoError(t, os.WriteFile(broken, []byte("\x05\x02\x00\x00\x00\x20the-s3cr3t-key"), 0o600))
	for name, c := range map[string]struct {
		config kerberos.Config
		says   string
	}{
		"two sources":          {kerberos.Config{Principal: "a@A", Password: "x", Keytab: "y"}, "more than one"},
		"a password of nobody": {kerberos.Config{Password: "x"}, "without a Principal"},
		"no realm":             {kerberos.Config{Principal: "a", Password: "x"}, "has no realm"},
		"an empty realm":       {kerberos.Config{Principal: "a@", Password: "x"}, "no realm behind"},
		"an empty component":   {kerberos.Config{Principal: "a//b@A", Password: "x"}, "empty component"},
		"an empty server":      {kerberos.Config{Principal: "a@A", Password: "x", ServerPrincipal: "/h"}, "empty component"},
		"a rule of no kind":    {kerberos.Config{Principal: "a@A", Password: "x", HostNames: 7}, "HostNames is 7"},
		"no keytab":            {kerberos.Config{Principal: "a@A", Keytab: conf + ".missing"}, "no such file"},
		"not a keytab":         {kerberos.Config{Principal: "a@A", Keytab: conf}, "is not a keytab"},
		"a damaged keytab":     {kerberos.Config{Principal: "a@A", Keytab: broken}, "is not a keytab"},
		"no krb5.conf":         {kerberos.Config{Krb5Conf: conf + ".missing"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.config.Krb5Conf == "" {
				c.config.Krb5Conf = conf
			}
			_, err := kerberos.New(c.config)
			require.ErrorIs(t, err, sasl.ErrConfiguration)
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), "s3cr3t")
		})
	}
}

// Nothing that is printed holds the password.
func TestConfigIsPrintedWithoutItsPassword(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "krb5.conf")
	require.NoError(t, os.WriteFile(conf, []byte("[libdefaults]\n"), 0o600))
	cfg := kerberos.Config{Principal: "orders@A", Password: "the s3cr3t", Krb5Conf: conf}
	m, err := kerberos.New(cfg)
	require.NoError(t, err)
	defer m.Close()
	var log lines
	slog.New(slog.NewTextHandler(&log, nil)).Info("it is", "config", cfg, "mechanism", m)
	encoded, err := json.Marshal(map[string]any{"config": cfg, "mechanism": m})
	require.NoError(t, err)
	nested := struct {
		C kerberos.Config
		M *kerberos.Mechanism
	}{cfg, m}
	texts := []string{log.String(), string(encoded)}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		texts = append(texts, fmt.Sprintf(format, cfg), fmt.Sprintf(format, &cfg), fmt.Sprintf(format, m), fmt.Sprintf(format, nested))
	}
	for _, text := range texts {
		assert.NotContains(t, text, "s3cr3t")
	}
	assert.Equal(t, "GSSAPI as orders@A with a password", m.String())
	assert.Equal(t, "GSSAPI as the owner of keytab k", kerberos.Config{Keytab: "k"}.String())
	assert.Equal(t, "GSSAPI as the owner of credential cache c", kerberos.Config{CredentialCache: "c"}.String())
	assert.Equal(t, "GSSAPI as the owner of the user's credential cache", kerberos.Config{}.String())
	assert.Equal(t, "GSSAPI", m.Name())
}

// krb5.conf is read with its includes, braces, lists and final sections.
func TestKrb5Conf(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("conf.d/10-realm", "[realms]\nB = {\n  kdc = b1\n  kdc = b2:750\n}\n")
	write("conf.d/20.conf", "[realms]\nB = {\n  kdc = \"b3\"\n}\n[libdefaults]\nclockskew = 60\n")
	write("conf.d/ignored.rpmsave", "nonsense")
	write("conf.d/.hidden.conf", "nonsense")
	main := write("krb5.conf", `# a comment
includedir `+filepath.Join(dir, "conf.d")+`
includedir `+filepath.Join(dir, "missing")+`
module /usr/lib/plugin.so:residual
[logging]
	default = FILE:/var/log/krb5.log
[libdefaults]
	default_realm = A
	clockskew = 5m
	ticket_lifetime = 1d 12h
	renew_lifetime = 10:30
	forwardable = yes
	dns_lookup_kdc = false
	dns_canonicalize_hostname = fallback
	permitted_enctypes = arcfour-hmac, aes128-cts aes256-sha1 camellia
	default_ccache_name = DIR:/run/user/%{uid}/krb5cc
	A = {
		an = option of one realm
	}
[realms]
	A = {
		kdc = tcp/a1.example
		kdc = [2001:db8::1]:88
		kdc = 2001:db8::2
		kdc = https://proxy.example/KdcProxy
		auth_to_local = RULE:[1:$1@$0](.*@A)s/@.*//
		auth_to_local_names = {
			orders = o
		}
	}
[domain_realm]
	.b.example = B
	host.a.example = A
	c.example = C
`)
	s, err := kerberos.LoadSettings(main)
	require.NoError(t, err)
	assert.Equal(t, "A", s.Realm)
	assert.Equal(t, []string{"a1.example:88", "[2001:db8::1]:88", "[2001:db8::2]:88"}, s.KDCs("A"))
	assert.Equal(t, []string{"b1:88", "b2:750", "b3:88"}, s.KDCs("B"))
	assert.Equal(t, time.Minute, s.ClockSkew, "the first one counts")
	assert.Equal(t, 36*time.Hour, s.TicketLife)
	assert.Equal(t, 10*time.Hour+30*time.Minute, s.RenewLife)
	assert.Equal(t, []int32{17, 18}, s.Types)
	assert.False(t, s.HostsByDNS)
	for host, realm := range map[string]string{"x.b.example": "B", "x.y.B.example": "B", "host.a.example": "A", "a.example": "", "c.example": "C", "x.c.example": "C", "": ""} {
		assert.Equal(t, realm, s.RealmOf(host), host)
	}
	for text, says := range map[string]string{
		"default_realm = A\n":                          "ahead of the first section",
		"[libdefaults\n":                               "closing bracket",
		"[libdefaults]\nnonsense\n":                    "neither a section",
		"[realms]\nA = {\n":                            "not closed",
		"[realms]\n}\n":                                "not open",
		"[realms]\nA = {\n[domain_realm]\n":            "inside of braces",
		"[libdefaults]\nclockskew = soon\n":            "not a duration",
		"[libdefaults]\nforwardable = perhaps\n":       "neither yes nor no",
		"[libdefaults]\npermitted_enctypes = rc4\n":    "none of AES",
		"include " + filepath.Join(dir, "self") + "\n": "nested",
	} {
		path := write("self", text)
		_, err := kerberos.LoadSettings(path)
		require.ErrorContains(t, err, says, text)
	}
	s, err = kerberos.LoadSettings(write("first", "[realms]*\nB = {\nkdc = only\n}\n"), main)
	require.NoError(t, err)
	assert.Equal(t, []string{"only:88"}, s.KDCs("B"), "a final section")
	_, err = kerberos.LoadSettings(filepath.Join(dir, "none"), filepath.Join(dir, "neither"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
