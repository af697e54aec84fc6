package framework

import (
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
		"a:1,b:2,c:3":               {[]string{"a:1", "b:2", "c:3"}, ""},
		"a, b:2 ,\tc":               {[]string{"a:2181", "b:2", "c:2181"}, ""},
		"a:1/":                      {[]string{"a:1"}, ""},
		"a:1/app":                   {[]string{"a:1"}, "/app"},
		"a:1,b:2/app/one":           {[]string{"a:1", "b:2"}, "/app/one"},
		"127.0.0.1":                 {[]string{"127.0.0.1:2181"}, ""},
		"[::1]":                     {[]string{"[::1]:2181"}, ""},
		"[::1]:1234/app":            {[]string{"[::1]:1234"}, "/app"},
		"[fe80::1%eth0]:1234,other": {[]string{"[fe80::1%eth0]:1234", "other:2181"}, ""},
		"zk_1.example.com:2181":     {[]string{"zk_1.example.com:2181"}, ""},
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
		"a b:2181":         {"no spaces"},
		"zk://a:2181":      {"port must be"},
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
