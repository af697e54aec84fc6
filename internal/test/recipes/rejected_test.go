package recipes_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/debugpage"
	"github.com/docent-zk/docent/framework/health"
	"github.com/docent-zk/docent/zktest"
)

// A configuration that is rejected is on the debug page and in the answer of a probe, and the process stays ready.
func TestARejectedConfigurationIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		defer s.Close()
		_, err = s.Create("/app", []byte("1"), zktest.Persistent)
		require.NoError(t, err)
		cli, err := framework.New(framework.Config{ConnectString: s.ConnectString(), Dialer: s.Dial})
		require.NoError(t, err)
		defer cli.Close()
		v, err := cache.OpenValue(t.Context(), cli, "/app", cache.JSON[int]())
		require.NoError(t, err)
		defer v.Close()
		require.NoError(t, s.Set("/app", []byte("null")))
		time.Sleep(time.Minute)
		assert.Equal(t, 1, v.Load())
		get := func(h http.Handler) string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			assert.Equal(t, http.StatusOK, w.Code)
			return w.Body.String()
		}
		for _, page := range []string{get(debugpage.Handler(cli)), get(health.Ready(cli))} {
			assert.Contains(t, page, "value cache /app: rejected")
			assert.Contains(t, page, "data of /app, version 1: there is no value in the data: it is null")
		}
		assert.Contains(t, get(debugpage.Handler(cli)), "still ready")
	})
}
