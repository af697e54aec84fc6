package health_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/health"
	"github.com/docent-zk/docent/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 4 * time.Second

// bubble runs f on fake time with a server and a client that is connected to it.
func bubble(t *testing.T, f func(t *testing.T, s *zktest.Server, cli *framework.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		defer s.Close()
		cli, err := framework.New(framework.Config{ConnectString: s.ConnectString(), SessionTimeout: timeout, Dialer: s.Dial})
		require.NoError(t, err)
		defer cli.Close()
		require.NoError(t, cli.WaitConnected(t.Context()))
		f(t, s, cli)
	})
}

// ask sends a request and returns the answer.
func ask(h http.Handler, method, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A network that swallows everything: not ready within the session timeout, and live for ever.
func TestBlackHole(t *testing.T) {
	bubble(t, func(t *testing.T, s *zktest.Server, cli *framework.Client) {
		ready, live := health.Ready(cli), health.Live(cli)
		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		began := time.Now()
		for ask(ready, "GET", "").Code == http.StatusOK {
			require.Less(t, time.Since(began), timeout)
			time.Sleep(10 * time.Millisecond)
		}
		w := ask(ready, "GET", "")
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		assert.Regexp(t, "^not ready\n- no server has answered for 4[.0-9]*s; the connection is Lost: .*\n$|"+
			"^not ready\n- no server has answered for 4[.0-9]*s; the connection is Suspended: .*\n$", w.Body.String())
		time.Sleep(time.Hour)
		w = ask(live, "GET", "")
		assert.Equal(t, []any{http.StatusOK, "live\n"}, []any{w.Code, w.Body.String()})
		heal()
		require.NoError(t, cli.WaitConnected(t.Context()))
		w = ask(ready, "GET", "")
		assert.Equal(t, []any{http.StatusOK, "ready\n"}, []any{w.Code, w.Body.String()})
	})
}

func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		held := s.Track("leader", "/e", framework.Policy{}, "leading")
		defer held.End()
		held.Report("function has not returned", framework.ErrOverstayed)
		since := time.Now()
		time.Sleep(4*timeout - 1)
		assert.Equal(t, http.StatusOK, ask(health.Live(cli), "GET", "").Code)
		assert.Equal(t, http.StatusServiceUnavailable, ask(health.Ready(cli), "GET", "").Code)
		time.Sleep(1)
		w := ask(health.Live(cli), "GET", "application/json")
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		var a health.Answer
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a))
		require.Len(t, a.Reasons, 1)
		a.Reasons[0].Text = ""
		assert.Equal(t, health.Answer{Reasons: []health.Reason{{Client: 1, Recipe: "leader", Path: "/e", Since: since.UTC().Round(0), Restart: true}}}, a)
		assert.Equal(t, http.StatusOK, ask(health.LiveWithin(framework.HealthBounds{Stuck: time.Hour}, cli), "GET", "").Code)
		assert.Equal(t, http.StatusOK, ask(health.ReadyWithin(framework.HealthBounds{Unwell: time.Hour}, cli), "GET", "").Code)
	})
}

func TestFormats(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		h := health.Ready(cli)
		w := ask(h, "GET", "application/json")
		assert.JSONEq(t, `{"ok":true}`, w.Body.String())
		assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Equal(t, "Accept", w.Header().Get("Vary"))
		assert.Equal(t, http.StatusOK, ask(h, "HEAD", "").Code)
		w = ask(h, "POST", "")
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
		assert.Equal(t, "GET, HEAD", w.Header().Get("Allow"))

		require.NoError(t, cli.Close())
		w = ask(health.Ready(nil, cli), "GET", "text/plain")
		assert.Regexp(t, `^not ready\n- client 1: the \*framework.Client is nil.*\n- client 2: the client is closed\n$`, w.Body.String())
		assert.Equal(t, http.StatusOK, ask(health.Live(nil, cli), "GET", "").Code)
		assert.Equal(t, http.StatusOK, ask(health.Ready(), "GET", "").Code, "nothing is wrong with nothing")
	})
}

// A reason is one line, whatever an error says.
func TestReasonsAreLines(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		held := s.Track("x", "/x", framework.Policy{}, "bad")
		defer held.End()
		held.Report("bad", lines{})
		time.Sleep(timeout)
		assert.Regexp(t, "^not ready\n- x /x: bad, not well for 4s: one two\n$", ask(health.Ready(cli), "GET", "").Body.String())
	})
}

// lines is an error of two lines.
type lines struct{}

func (lines) Error() string { return "one\ntwo" }

// What a process works on with is served, and makes it neither unready nor dead.
func TestNotices(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		session, err := cli.Session(t.Context())
		require.NoError(t, err)
		kept := session.Track("value cache", "/app", framework.Policy{}, "rejected")
		defer kept.End()
		kept.Report("rejected", fmt.Errorf("%w: no JSON", framework.ErrDegraded))
		time.Sleep(2 * timeout)
		for word, h := range map[string]http.Handler{"ready": health.Ready(cli), "live": health.Live(cli)} {
			w := ask(h, http.MethodGet, "")
			assert.Equal(t, http.StatusOK, w.Code)
			assert.Regexp(t, "^"+word+"\n- notice: value cache /app: rejected, not well for 8s: .*no JSON\n$", w.Body.String())
			var a health.Answer
			require.NoError(t, json.Unmarshal(ask(h, http.MethodGet, "application/json").Body.Bytes(), &a))
			assert.True(t, a.Ok)
			assert.Empty(t, a.Reasons)
			require.Len(t, a.Notices, 1)
			assert.Equal(t, "/app", a.Notices[0].Path)
		}
		assert.True(t, cli.Health().Live())
		assert.Contains(t, cli.Health().String(), "no JSON")
	})
}

// nilError panics when it is asked what is wrong.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text + "!" }

// Whatever a recipe reports, a probe gets its answer.
func TestErrorsThatPanic(t *testing.T) {
	bubble(t, func(t *testing.T, _ *zktest.Server, cli *framework.Client) {
		session, err := cli.Session(t.Context())
		require.NoError(t, err)
		held := session.Track("thing", "/a", framework.Policy{}, "odd")
		defer held.End()
		held.Report("odd", (*nilError)(nil))
		time.Sleep(2 * timeout)
		assert.Contains(t, ask(health.Ready(cli), http.MethodGet, "").Body.String(), "not ready\n- thing /a: odd, not well for 8s")
	})
}
