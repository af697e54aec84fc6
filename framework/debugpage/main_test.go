package debugpage

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const timeout = 4 * time.Second

// world is a server on a network in memory.
type world struct {
	*zktest.Server
	t *testing.T
}

// bubble runs f on fake time, with a server.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		f(t, &world{s, t})
	})
}

// client starts a client and waits for its session.
func (w *world) client(name string, tune ...func(*framework.Config)) *framework.Client {
	w.t.Helper()
	cfg := framework.Config{ConnectString: w.ConnectString(), SessionTimeout: timeout, Dialer: w.Client(name).Dial}
	for _, f := range tune {
		f(&cfg)
	}
	cli, err := framework.New(cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, cli.Close()) })
	require.NoError(w.t, cli.WaitConnected(w.t.Context()))
	return cli
}

// stand creates a node in a queue and lists it as a recipe does. It returns the node's path.
func (w *world) stand(cli *framework.Client, state, prefix, data string) string {
	w.t.Helper()
	s, err := cli.Session(w.t.Context())
	require.NoError(w.t, err)
	node, err := s.Create(w.t.Context(), prefix, []byte(data), framework.EphemeralSequential, framework.Parents)
	require.NoError(w.t, err)
	dir, _ := framework.Split(node.Path)
	tracked := s.Track("lock", dir, framework.Policy{OnSuspended: framework.Cancel, OnLost: framework.Stop}, state, slog.String("node", node.Path))
	w.t.Cleanup(tracked.End)
	return node.Path
}

// get asks a handler and returns the answer.
func get(h http.Handler, accept, query string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/debug/docent"+query, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// report asks a handler for JSON.
func report(t *testing.T, h http.Handler, query string) Report {
	t.Helper()
	w := get(h, "application/json", query)
	require.Equal(t, http.StatusOK, w.Code)
	var r Report
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &r))
	return r
}

// queue asks a handler for a queue, as one of its clients sees it.
func queue(t *testing.T, h http.Handler, path string, client int) Queue {
	t.Helper()
	r := report(t, h, "?"+url.Values{"queue": {path}, "client": {strconv.Itoa(client)}}.Encode())
	require.NotNil(t, r.Queue)
	return *r.Queue
}
