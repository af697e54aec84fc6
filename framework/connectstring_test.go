package framework

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConnectStrings(t *testing.T) {
	for s, want := range map[string]struct {
		servers []string
		chroot  space
	}{
		"zk":                        {[]string{"zk:2181"}, ""},
		"zk:1":                      {[]string{"zk:1"}, ""},
		"zk:65535":                  {[]string{"zk:65535"}, ""},
		"zk:02181":                  {[]string{"zk:2181"}, ""},
		"a:1,b:2,c:3":               {[]string{"a:1", "b:2", "c:3"}, ""},
		"a, b:2 ,\tc":               {[]string{"a:2181", "b:2", "c:2181"}, ""},
		"h1, h2":                    {[]string{"h1:2181", "h2:2181"}, ""},
		" h1,h2\n":                  {[]string{"h1:2181", "h2:2181"}, ""},
		"a:1/":                      {[]string{"a:1"}, ""},
		"a:1/app":                   {[]string{"a:1"}, "/app"},
		"a:1 /app":                  {[]string{"a:1"}, "/app"},
		"a:1,b:2/app/one":           {[]string{"a:1", "b:2"}, "/app/one"},
		"a:1/App-1_x.y@z":           {[]string{"a:1"}, "/App-1_x.y@z"},
		"127.0.0.1":                 {[]string{"127.0.0.1:2181"}, ""},
		"[::1]":                     {[]string{"[::1]:2181"}, ""},
		"[::1]/app":                 {[]string{"[::1]:2181"}, "/app"},
		"[::1]:1234/app":            {[]string{"[::1]:1234"}, "/app"},
		"[2001:DB8::A]:1,[::1]":     {[]string{"[2001:DB8::A]:1", "[::1]:2181"}, ""},
		"[::ffff:10.0.0.1]:1":       {[]string{"[::ffff:10.0.0.1]:1"}, ""},
		"[fe80::1%eth0]:1234,other": {[]string{"[fe80::1%eth0]:1234", "other:2181"}, ""},
		"zk_1.example.com:2181":     {[]string{"zk_1.example.com:2181"}, ""},
		"ZK1.Example.COM:2181":      {[]string{"ZK1.Example.COM:2181"}, ""},
		"zk.svc.cluster.local.:1":   {[]string{"zk.svc.cluster.local.:1"}, ""},
		"1a.2b:1":                   {[]string{"1a.2b:1"}, ""},
	} {
		servers, chroot, err := parseConnectString(s)
		require.NoError(t, err, s)
		assert.Equal(t, want.servers, servers, s)
		assert.Equal(t, want.chroot, chroot, s)
	}
}

func TestInvalidConnectStrings(t *testing.T) {
	for s, want := range map[string][]string{
		"":                 {"names no server"},
		" ":                {"names no server"},
		"/app":             {"names no server"},
		"a,":               {"empty server between commas"},
		",a":               {"empty server between commas"},
		"a,,b":             {"empty server between commas"},
		":2181":            {`":2181" has no host`},
		"a:":               {"port must be a number"},
		"a:x":              {`"a:x": port must be a number from 1 to 65535`},
		"a:0":              {"port must be"},
		"a:65536":          {"port must be"},
		"a:-1":             {"port must be"},
		"::1":              {"must stand in brackets"},
		"fe80::1:2181":     {"must stand in brackets"},
		"[::1":             {"not host:port"},
		"::1]":             {"not host:port"},
		"[::1]x":           {"not host:port"},
		"[zk:1]:2181":      {`"zk:1" is not an IPv6 address`},
		"[zk]:2181":        {`"zk" is not an IPv6 address`},
		"[10.0.0.1]:2181":  {`"10.0.0.1" is not an IPv6 address`},
		"[fe80::1%]:2181":  {"is not an IPv6 address"},
		"a b:2181":         {"no spaces", "separated by commas"},
		"a:1 b:2":          {"not host:port"},
		"a:+1":             {"port must be"},
		"a:2181,2182":      {`"2182" is neither a name nor an IPv4 address`},
		"10.0.0.256":       {"neither a name nor an IPv4 address"},
		"10.0.0.1.5:1":     {"neither a name nor an IPv4 address"},
		"a..b":             {"not a host name"},
		".a":               {"not a host name"},
		"a!":               {"not a host name"},
		"h1|h2":            {"not a host name"},
		"h1;h2":            {"separated by commas", `"h1,h2"`},
		"h1:1;h2:2/app":    {"separated by commas", `"h1:1,h2:2/app"`},
		"h1/app;h2/app":    {"separated by commas", `"h1,h2/app"`},
		"h1/app,h2/app":    {"once, at the end", `"h1,h2/app"`},
		"h1/app, h2":       {"once, at the end", `"h1,h2/app"`},
		"h1:1/,h2:2/":      {"once, at the end", `"h1:1,h2:2"`},
		"h1/app,h2/other":  {"once, at the end", `"h1,h2/chroot"`},
		"h1/a,b":           {"once, at the end", "Config.Namespace"},
		"zk://a:2181":      {"it has a scheme", `"a:2181"`},
		"ZK://a,b/app":     {"it has a scheme", `"a,b/app"`},
		"tcp://a,tcp://b":  {"it has a scheme", `"a,b"`},
		"a,tcp://b":        {"it has a scheme", `"a,b"`},
		"a/app:2181":       {"ends with a port", `"host:2181/app"`},
		"a:1/app ":         {"has a space"},
		"a:1/my app":       {"has a space", "Config.Namespace"},
		"a:1/app b:1/app":  {"has a space"},
		"a:1/app\n":        {"chroot", "U+000A"},
		"a:1/app/":         {"chroot", "ends with a slash"},
		"a:1//app":         {"chroot", "empty element"},
		"a:1/app/../b":     {"chroot", `".."`},
		"a:1/app?x=\x00":   {"chroot", "U+0000"},
		"a:x,b:0,::1/app/": {`"a:x"`, `"b:0"`, `"::1"`, "chroot"},
		"/app/":            {"names no server", "chroot"},
	} {
		_, _, err := parseConnectString(s)
		require.Error(t, err, s)
		for _, part := range want {
			assert.ErrorContains(t, err, part, s)
		}
	}
}

// Credentials are not repeated in errors, which end up in logs.
func TestConnectStringsWithCredentials(t *testing.T) {
	for _, s := range []string{"user:s3cr3t@zk", "zk://user:s3cr3t@zk:1/app", "a/app,user:s3cr3t@zk", "a;user:s3cr3t@zk"} {
		_, _, err := parseConnectString(s)
		require.ErrorContains(t, err, "Config.Auth", s)
		assert.NotContains(t, err.Error(), "s3cr3t")
	}
}

// An accepted string means one thing: the list of its servers with the chroot behind it is parsed to the same result.
func FuzzConnectString(f *testing.F) {
	for _, s := range []string{"a:1,b:2/app", "[::1]:1/app", "h1/app,h2/app", "h1;h2", "zk://a", "a, b", "[fe80::1%eth0]", "a:1/app:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		servers, chroot, err := parseConnectString(s)
		if err != nil {
			assert.Empty(t, servers)
			return
		}
		require.NotEmpty(t, servers)
		for _, server := range servers {
			host, port, err := net.SplitHostPort(server)
			require.NoError(t, err)
			assert.False(t, strings.ContainsAny(host, ",;/@ \t\n[]"), host)
			n, err := strconv.Atoi(port)
			require.NoError(t, err)
			assert.True(t, 0 < n && n < 1<<16)
		}
		assert.False(t, strings.ContainsAny(string(chroot), ",; "), chroot)
		again, same, err := parseConnectString(strings.Join(servers, ",") + string(chroot))
		require.NoError(t, err)
		assert.Equal(t, servers, again)
		assert.Equal(t, chroot, same)
	})
}
