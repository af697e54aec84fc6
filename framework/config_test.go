package framework_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/retry"
)

// invalid is one mistake in each field that can hold one, and what the error says of it.
var invalid = map[string]struct {
	change configure
	text   string
}{
	"ConnectString":         {func(c *framework.Config) { c.ConnectString = "zk:x" }, `server "zk:x": port must be a number`},
	"SessionTimeout":        {func(c *framework.Config) { c.SessionTimeout = 99 * time.Millisecond }, "99ms is not between 100ms and 24h0m0s"},
	"SessionTimeout, long":  {func(c *framework.Config) { c.SessionTimeout = 25 * time.Hour }, "25h0m0s is not between 100ms and 24h0m0s"},
	"SessionTimeout, < 0":   {func(c *framework.Config) { c.SessionTimeout = -1 }, "is not between 100ms and 24h0m0s"},
	"ConnectTimeout":        {func(c *framework.Config) { c.ConnectTimeout = -1 }, "-1ns is negative"},
	"HandshakeTimeout":      {func(c *framework.Config) { c.HandshakeTimeout = -1 }, "-1ns is negative"},
	"CloseTimeout":          {func(c *framework.Config) { c.CloseTimeout = -1 }, "-1ns is negative"},
	"TrustMargin":           {func(c *framework.Config) { c.TrustMargin = -1 }, "-1ns is negative"},
	"TrustMargin, long":     {func(c *framework.Config) { c.TrustMargin = 8 * time.Second }, "8s is more than half of SessionTimeout (15s)"},
	"Namespace":             {func(c *framework.Config) { c.Namespace = "a/../b" }, `invalid path "/a/../b"`},
	"ACL":                   {func(c *framework.Config) { c.ACL = []framework.ACL{{Scheme: "world", ID: "anyone"}} }, "entry 0 needs a scheme and permissions"},
	"ACL, no scheme":        {func(c *framework.Config) { c.ACL = append(framework.OpenACL(), framework.ACL{Perms: 1}) }, "entry 1 needs a scheme"},
	"ACL, too many":         {func(c *framework.Config) { c.ACL = []framework.ACL{{Scheme: "world", ID: "anyone", Perms: 32}} }, "permissions of 1 to 31"},
	"Auth":                  {func(c *framework.Config) { c.Auth = []framework.Auth{{Credentials: []byte("s3cr3t")}} }, "entry 0 has no scheme"},
	"RetryPolicy":           {func(c *framework.Config) { c.RetryPolicy = retry.Forever(0) }, "retries without a delay need a limit"},
	"ReconnectPolicy":       {func(c *framework.Config) { c.ReconnectPolicy = retry.Exponential(2, 1) }, "the longest delay 1ns is below the first"},
	"ReconnectPolicy, nil":  {func(c *framework.Config) { c.ReconnectPolicy = retry.FromBackOff[retry.BackOff](nil) }, "nil function"},
	"MaxRequestSize":        {func(c *framework.Config) { c.MaxRequestSize = 100_000 }, "100000 is less than 163840 bytes"},
	"MaxReplySize":          {func(c *framework.Config) { c.MaxReplySize = 1000 }, "1000 is less than 65536 bytes"},
	"MaxReplySize, < 0":     {func(c *framework.Config) { c.MaxReplySize = -1 }, "-1 is less than"},
	"ConnectString, chroot": {func(c *framework.Config) { c.ConnectString = "zk/app/" }, "chroot"},
}

// field is the name of a field in the table, without a remark.
func field(name string) string {
	for i, r := range name {
		if r == ',' {
			return name[:i]
		}
	}
	return name
}

func TestEachInvalidField(t *testing.T) {
	for name, c := range invalid {
		cfg := framework.Config{ConnectString: "zk"}
		c.change(&cfg)
		err := cfg.Validate()
		require.ErrorContains(t, err, "invalid framework.Config: "+field(name)+": ", name)
		require.ErrorContains(t, err, c.text, name)
		cli, again := framework.New(cfg)
		require.Equal(t, err, again)
		assert.Nil(t, cli)
	}
}

// What is derived from a wrong field is not reported as well.
func TestOneMistakeIsReportedOnce(t *testing.T) {
	err := framework.Config{ConnectString: "zk", SessionTimeout: -time.Hour}.Validate()
	require.EqualError(t, err, "invalid framework.Config: SessionTimeout: -1h0m0s is not between 100ms and 24h0m0s")
}

func TestAllInvalidFieldsAtOnce(t *testing.T) {
	var cfg framework.Config
	fields := map[string]string{}
	for name, c := range invalid {
		if field(name) == name {
			c.change(&cfg)
			fields[name] = c.text
		}
	}
	err := cfg.Validate()
	require.Error(t, err)
	for name, text := range fields {
		if name == "TrustMargin" {
			text = "negative"
		}
		assert.ErrorContains(t, err, name+": ")
		assert.ErrorContains(t, err, text)
	}
	assert.NotContains(t, err.Error(), "s3cr3t")
}

func TestZeroConfigIsValidBesideTheServers(t *testing.T) {
	require.NoError(t, framework.Config{ConnectString: "zk"}.Validate())
	require.ErrorContains(t, framework.Config{}.Validate(), "names no server")
}

func TestLimitsOfFields(t *testing.T) {
	for _, c := range []framework.Config{
		{SessionTimeout: 100 * time.Millisecond}, {SessionTimeout: 24 * time.Hour}, {OperationTimeout: -1},
		{TrustMargin: 7500 * time.Millisecond}, {MaxRequestSize: 163840}, {MaxReplySize: 65536},
		{RetryPolicy: retry.Never()}, {ReconnectPolicy: retry.Never()}, {Namespace: "/ns/sub"}, {Namespace: "/"},
	} {
		c.ConnectString = "zk"
		require.NoError(t, c.Validate(), "%+v", c)
	}
}
