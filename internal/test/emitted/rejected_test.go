package emitted

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/debugpage"
	"github.com/docent-zk/docent/zktest"
)

// A bad configuration is reported in the log, in Health, in a metric and on the debug page, and none of them reports a good
// one.
func TestABadConfigurationIsReportedInFourPlaces(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const reason = "invalid character"
		c, s := collect(), startServer(t)
		var log bytes.Buffer
		cli, err := framework.New(framework.Config{
			ConnectString: s.ConnectString(), SessionTimeout: sessionTimeout, Dialer: s.Client("a").Dial, MeterProvider: c.meter,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.NoError(t, err)
		require.NoError(t, cli.WaitConnected(t.Context()))
		_, err = s.Create("/config", []byte(`{"a": 1}`), zktest.Persistent)
		require.NoError(t, err)
		_, err = cache.OpenValue(t.Context(), cli, "/config", cache.JSON[map[string]int]())
		require.NoError(t, err)
		places := func() map[string]bool {
			time.Sleep(2 * sessionTimeout)
			page := httptest.NewRecorder()
			debugpage.Handler(cli).ServeHTTP(page, httptest.NewRequest("GET", "/", nil))
			require.True(t, cli.Health().Ready(), "the last good value is in use")
			return map[string]bool{
				"health": bytes.Contains([]byte(cli.Health().String()), []byte(reason)), "page": bytes.Contains(page.Body.Bytes(), []byte(reason)),
				"metric": c.value(t, "docent.cache.rejected", "docent.recipe", "value cache") == 1,
			}
		}
		assert.Equal(t, map[string]bool{"health": false, "page": false, "metric": false}, places())
		require.NoError(t, s.Set("/config", []byte(`{"a": one}`)))
		assert.Equal(t, map[string]bool{"health": true, "page": true, "metric": true}, places())
		require.NoError(t, s.Set("/config", []byte(`{"a": 2}`)))
		assert.Equal(t, map[string]bool{"health": false, "page": false, "metric": false}, places())
		require.NoError(t, cli.Close()) // which writes what is left of the log
		synctest.Wait()
		assert.Regexp(t, `level=WARN msg="value rejected".* path=/config .*invalid character`, log.String())
	})
}
