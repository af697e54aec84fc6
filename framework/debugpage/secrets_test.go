package debugpage

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/zktest"
)

// forms returns how a secret may look in a text.
func forms(secret string) map[string]string {
	all := map[string]string{
		"as it is": secret, "quoted": strings.Trim(fmt.Sprintf("%q", secret), `"`), "escaped": url.QueryEscape(secret),
		"hex": hex.EncodeToString([]byte(secret)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"bytes": strings.Trim(fmt.Sprint([]byte(secret)), "[]"),
	}
	for offset := range 3 { // what comes before a secret shifts it
		text := base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte{0}, offset), secret+"\x00\x00\x00"...))
		all[fmt.Sprint("base64 at ", offset)] = text[(offset*8+5)/6 : (offset+len(secret))*8/6]
	}
	return all
}

func TestForms(t *testing.T) {
	for _, prefix := range []string{"", "u", "u:", "us:"} {
		text := base64.StdEncoding.EncodeToString([]byte(prefix + "s3cr3t" + prefix))
		found := 0
		for _, form := range forms("s3cr3t") {
			if strings.Contains(text, form) {
				found++
			}
		}
		assert.Equal(t, 1, found, text)
	}
}

// requireSilence fails if one of the secrets is in a text.
func requireSilence(t *testing.T, what, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for form, looks := range forms(secret) {
			require.NotContains(t, text, looks, "%s: %q %s", what, secret, form)
		}
	}
}

// printed is a value in every form in which somebody may print it.
func printed(values ...any) string {
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	for _, v := range values {
		fmt.Fprintf(&b, "%v %+v %#v %s %q %x\n", v, v, v, v, v, v)
		log.Info("v", "v", v)
	}
	return b.String()
}

// refusals are clients that servers do not accept.
var refusals = map[string]struct {
	server zktest.Config
	tune   func(*framework.Config)
}{
	"digest of an unknown scheme": {zktest.Config{}, func(c *framework.Config) {
		c.Auth = []framework.Auth{{Scheme: "nonsense", Credentials: []byte("ann:first s3cr3t")}}
	}},
	"wrong password": {zktest.Config{SASLUsers: map[string]string{"ann": "second s3cr3t"}}, func(c *framework.Config) {
		c.SASL = sasl.DigestMD5("ann", "first s3cr3t")
	}},
	"right password": {zktest.Config{SASLUsers: map[string]string{"ann": "first s3cr3t"}}, func(c *framework.Config) {
		c.SASL = sasl.DigestMD5("ann", "first s3cr3t")
	}},
	"SASL is not offered": {zktest.Config{}, func(c *framework.Config) { c.SASL = sasl.DigestMD5("ann", "first s3cr3t") }},
	"SASL is demanded": {zktest.Config{RequireSASL: true, SASLUsers: map[string]string{"ann": "second s3cr3t"}}, func(c *framework.Config) {
		c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("ann:first s3cr3t")}}
	}},
}

// Whatever becomes of an identity, nothing that a client writes, returns or shows has a secret in it: the log at its finest level, errors of all
// calls, Health, Info, the history, the page, and the configuration itself.
func TestNoSecretAnywhere(t *testing.T) {
	for name, c := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := zktest.StartMemory(c.server)
				require.NoError(t, err)
				defer func() { require.NoError(t, s.Close()) }()
				var log bytes.Buffer
				cfg := framework.Config{ConnectString: s.ConnectString(), SessionTimeout: timeout, Dialer: s.Client("a").Dial}
				cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				c.tune(&cfg)
				cli, err := framework.New(cfg)
				require.NoError(t, err)
				seen := play(t, s, cli)
				require.NoError(t, cli.Close())
				synctest.Wait()
				seen["log"] = log.String()
				seen["configuration"] = printed(cfg.Auth, cfg.SASL) + fmt.Sprintf("%v %+v", cfg, cfg)
				require.Contains(t, seen["log"], "session", "the log has something in it")
				for what, text := range seen {
					requireSilence(t, what, text, "first s3cr3t", "second s3cr3t", "third s3cr3t")
				}
			})
		})
	}
}

// play does with a client what may bring a secret to light, in a bubble, and returns what is to be seen.
func play(t *testing.T, s *zktest.Server, cli *framework.Client) map[string]string {
	briefly := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		t.Cleanup(cancel)
		return ctx
	}
	_, getting := cli.Get(briefly(), "/node")
	errs := []any{
		cli.WaitConnected(briefly()), getting,
		cli.AddAuth(briefly(), "nonsense", []byte("ann:third s3cr3t")),
		cli.SetAuth(briefly(), framework.Auth{Scheme: "digest", Credentials: []byte("ann:third s3cr3t")}),
		cli.Reconnect(briefly()),
	}
	time.Sleep(3 * timeout)
	s.Cut(zktest.AllConns())
	synctest.Wait()
	report, err := json.Marshal(cli.Health())
	require.NoError(t, err)
	seen := map[string]string{
		"errors": printed(errs...), "health": printed(cli.Health()) + string(report), "info": printed(cli.Info(), cli.Info().Err),
		"history": printed(cli.History()), "recipes": printed(cli.Recipes()),
	}
	for _, accept := range []string{"text/html", "application/json"} {
		seen["page as "+accept] = get(Handler(cli), accept, "").Body.String()
	}
	return seen
}
