package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/framework/debugpage"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }

// serve runs the example until the page has shown all that it is to show: a lock that is contended, a session that is lost and
// replaced, an election, a registration and a cache.
func serve(t *testing.T, zk string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		c := config{zk: zk, addr: "127.0.0.1:0", timeout: time.Second, every: 200 * time.Millisecond}
		done <- c.run(ctx, writer)
		writer.Close()
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	require.NoError(t, err)
	url := strings.TrimSpace(line)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	missing := map[string]bool{"waiting lock": true, "leading leader": true, "standing registration": true, "fresh tree cache": true, "lost": true, "epoch 2": true}
	for len(missing) > 0 && ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		require.NoError(t, err)
		request.Header.Set("Accept", "application/json")
		answer, err := client.Do(request)
		require.NoError(t, err)
		var r debugpage.Report
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&r))
		require.NoError(t, answer.Body.Close())
		for _, c := range r.Clients {
			for _, recipe := range c.Recipes {
				delete(missing, recipe.State+" "+recipe.Name)
			}
			for _, change := range c.History {
				if change.State == "Lost" {
					delete(missing, "lost")
				}
			}
			if c.Epoch >= 2 {
				delete(missing, "epoch 2")
			}
		}
	}
	assert.Empty(t, missing, "what the page has never shown")
	cancel()
	require.NoError(t, <-done)
}

func TestOnZktest(t *testing.T) {
	t.Parallel()
	serve(t, "")
}

func TestOnRealServer(t *testing.T) {
	t.Parallel()
	serve(t, realzk.Standalone(t, realzk.Options{}).Addr())
}

func TestWithoutServers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, config{zk: "127.0.0.1:1", addr: "127.0.0.1:0", timeout: time.Second}.run(ctx, io.Discard))
	require.Error(t, config{zk: "no/such:place//", addr: "127.0.0.1:0", timeout: time.Second}.run(t.Context(), io.Discard))
	require.Error(t, config{addr: "no address", timeout: time.Second}.run(t.Context(), io.Discard))
}

func TestProbes(t *testing.T) {
	h := handler(nil, nil)
	for path, want := range map[string]int{"/readyz": 200, "/livez": 200, "/debug/docent": 200, "/": 303, "/other": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		assert.Equal(t, want, w.Code, path)
	}
}
