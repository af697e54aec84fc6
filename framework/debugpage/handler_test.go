package debugpage

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestReport(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a", func(c *framework.Config) { c.Namespace = "/app" })
		node := w.stand(cli, "holding", "/locks/a/lock-", "me")
		h := Options{Names: []string{"anna"}}.Handler(cli)
		info := cli.Info()
		r := report(t, h, "")
		assert.Equal(t, time.Now().UTC(), r.Time)
		assert.True(t, r.Ready)
		assert.True(t, r.Live)
		assert.Nil(t, r.Queue)
		require.Len(t, r.Clients, 1)
		c := r.Clients[0]
		assert.Equal(t, []any{1, "anna", "Connected", uint64(1), "/app", timeout.Milliseconds(), info.Server},
			[]any{c.Number, c.Name, c.State, c.Epoch, c.Namespace, c.TimeoutMillis, c.Server})
		assert.Equal(t, sessionID(info.SessionID), c.Session)
		assert.Equal(t, info.TrustedUntil.Round(0).UTC(), c.TrustedUntil)
		assert.Equal(t, time.Until(info.TrustedUntil).Milliseconds(), c.TrustedMillis)
		require.Len(t, c.History, 2)
		assert.Equal(t, []string{"Connecting", "Connected"}, []string{c.History[0].State, c.History[1].State})
		require.Len(t, c.Recipes, 1)
		assert.Equal(t, Recipe{
			Name: "lock", Path: "/locks/a", Namespace: "/app", Held: true, Started: c.Recipes[0].Started, Epoch: 1, OnSuspended: "Cancel", OnLost: "Stop",
			State: "holding", Since: c.Recipes[0].Since, Attrs: []Attr{{"node", node}}, Queue: "/app/locks/a",
		}, c.Recipes[0])

		w.Stop()
		time.Sleep(2 * timeout)
		r = report(t, h, "")
		c = r.Clients[0]
		assert.False(t, r.Ready)
		assert.Equal(t, "Lost", c.State)
		assert.Zero(t, c.TrustedMillis)
		assert.Contains(t, c.Error, "refused")
		assert.Contains(t, c.Reasons[0].Text, "no server has answered")
		assert.True(t, report(t, Options{Bounds: framework.HealthBounds{Silence: time.Hour}}.Handler(cli), "").Ready)
		require.NoError(t, w.StartEndpoint())
	})
}

// The names of the fields are an interface: this list grows, and nothing in it changes.
func TestFieldsOfTheReport(t *testing.T) {
	now, bad := time.Now(), "x"
	full := Report{Time: now, Clients: []Client{{
		Since: now, Cause: bad, Error: bad, Session: bad, Server: bad, LastAnswer: now, TrustedUntil: now, Namespace: bad,
		Reasons: []Reason{{Recipe: bad, Path: bad, Restart: true, Notice: true}}, Lacks: []Lack{{}}, Settings: []Setting{{Error: bad}}, Servers: []string{bad},
		History: []Change{{Session: bad, Server: bad, Cause: bad}},
		Recipes: []Recipe{{Error: bad, Unwell: now, Attrs: []Attr{{}}, Problems: []Problem{{}}, Queue: bad}},
	}}, Queue: &Queue{Time: now, Error: bad, Others: 1, Places: []Place{{WaitsFor: 1, Owner: bad}}}}
	encoded, err := json.Marshal(full)
	require.NoError(t, err)
	var decoded any
	require.NoError(t, json.Unmarshal(encoded, &decoded))
	assert.Equal(t, strings.Fields(`
		clients clients.cause clients.counts clients.counts.dials clients.counts.failedDials clients.counts.losses clients.counts.sessions
		clients.counts.suspensions clients.epoch clients.error clients.history clients.history.cause clients.history.epoch clients.history.server
		clients.history.session clients.history.state clients.history.time clients.lacks clients.lacks.instead clients.lacks.reason
		clients.lacks.request clients.lacks.since clients.lastAnswer clients.live clients.name clients.namespace clients.number clients.ready
		clients.reasons clients.reasons.notice clients.reasons.path clients.reasons.recipe clients.reasons.restart clients.reasons.since
		clients.reasons.text clients.recipes clients.recipes.attrs clients.recipes.attrs.key clients.recipes.attrs.value clients.recipes.epoch
		clients.recipes.error clients.recipes.graceMillis clients.recipes.held clients.recipes.name clients.recipes.namespace
		clients.recipes.onLost clients.recipes.onSuspended clients.recipes.path clients.recipes.problems clients.recipes.problems.kind
		clients.recipes.problems.name clients.recipes.problems.reason clients.recipes.queue clients.recipes.since clients.recipes.started
		clients.recipes.starts clients.recipes.state clients.recipes.unwell clients.server clients.servers clients.session clients.settings
		clients.settings.error clients.settings.name clients.settings.state clients.since clients.state clients.timeoutMillis
		clients.trustedMillis clients.trustedUntil live queue queue.client queue.error queue.others queue.path queue.places queue.places.id
		queue.places.node queue.places.owner queue.places.position queue.places.role queue.places.session queue.places.since queue.places.token
		queue.places.waitsFor queue.time queue.total ready time`), fields("", decoded))
}

// fields lists the keys of decoded JSON.
func fields(prefix string, v any) (all []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			all = append(all, prefix+k)
			all = append(all, fields(prefix+k+".", v[k])...)
		}
	case []any:
		for _, e := range v {
			all = append(all, fields(prefix, e)...)
		}
	}
	return all
}

func TestAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		h := Handler(w.client("a"))
		for accept, want := range map[string]string{
			"": "text/html; charset=utf-8", "text/html,*/*;q=0.8": "text/html; charset=utf-8", "application/json": "application/json",
		} {
			a := get(h, accept, "")
			assert.Equal(t, http.StatusOK, a.Code)
			assert.Equal(t, want, a.Header().Get("Content-Type"), accept)
			assert.Equal(t, "no-store", a.Header().Get("Cache-Control"))
			assert.Equal(t, "Accept", a.Header().Get("Vary"))
			for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"} {
				assert.Contains(t, a.Header().Get("Content-Security-Policy"), directive)
			}
			assert.Equal(t, []string{"DENY", "nosniff", "no-referrer", "same-origin"}, []string{
				a.Header().Get("X-Frame-Options"), a.Header().Get("X-Content-Type-Options"), a.Header().Get("Referrer-Policy"),
				a.Header().Get("Cross-Origin-Resource-Policy"),
			})
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			a := httptest.NewRecorder()
			h.ServeHTTP(a, httptest.NewRequest(method, "/", nil))
			assert.Equal(t, http.StatusMethodNotAllowed, a.Code)
			assert.Equal(t, "GET, HEAD", a.Header().Get("Allow"))
		}
		a := httptest.NewRecorder()
		h.ServeHTTP(a, httptest.NewRequest(http.MethodHead, "/", nil))
		assert.Equal(t, http.StatusOK, a.Code)
		assert.Contains(t, get(Handler(), "text/html", "").Body.String(), "made for no client")
		assert.Contains(t, get(Handler(nil), "text/html", "").Body.String(), "framework.Client is nil")
	})
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

// A body, which GET may have, is not waited for, nor kept in memory and files.
func TestBodiesAreNotRead(t *testing.T) {
	for _, kind := range []string{"multipart/form-data; boundary=x", "application/x-www-form-urlencoded"} {
		r := httptest.NewRequest(http.MethodGet, "/?queue=/q&client=1", unread{t})
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, r)
		assert.Equal(t, http.StatusOK, w.Code)
	}
}

// The page consists of what the policy allows: one style and one script with these hashes, no attributes with either, no
// address that is not relative.
func TestThePageKeepsToItsPolicy(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		w.stand(cli, "holding", "/locks/a/lock-", "me")
		a := get(Handler(cli), "text/html", "")
		body, policy := a.Body.String(), a.Header().Get("Content-Security-Policy")
		for _, kind := range []string{"style", "script"} {
			found := regexp.MustCompile(`(?s)<`+kind+`>(.*?)</`+kind+`>`).FindAllStringSubmatch(body, -1)
			require.Len(t, found, 1)
			assert.Contains(t, policy, kind+"-src "+hash(found[0][1]))
		}
		assert.NotRegexp(t, `(?i)<[^>]+\s(style|on\w+)=`, body)
		for _, m := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
			assert.Regexp(t, `^(\?|#|data:,$)`, m[1])
		}
		assert.Contains(t, body, `href="?client=1&amp;queue=%2Flocks%2Fa"`)
	})
}

// What others write comes out as text.
func TestHostileNamesAndData(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		tracked := s.Track(evil, "/"+evil, framework.Policy{}, evil, slog.String(evil, evil), slog.String("lines", "a\x00b\u202ec"))
		defer tracked.End()
		tracked.Report(evil, errors.New(evil+strings.Repeat("x", 5000)))
		w.stand(cli, "holding", "/locks/a/lock-", evil)
		_, err = w.Create("/locks/a/"+strings.ReplaceAll(evil, "/", "")+"-lock-0000000077", []byte(evil), zktest.Persistent)
		require.NoError(t, err)
		h := Options{Names: []string{evil}}.Handler(cli)
		report(t, h, "")
		body := get(h, "text/html", "?queue=/locks/a").Body.String()
		assert.NotContains(t, body, "<script>alert")
		assert.NotContains(t, body, "<img")
		assert.Contains(t, body, "&lt;img src=x onerror=alert(2)&gt;")
		assert.Contains(t, body, `a\x00b\u202ec`, "what cannot be seen is quoted")
		assert.NotContains(t, body, strings.Repeat("x", 2000))
		assert.Equal(t, 1, strings.Count(body, "<script>"))
		q := queue(t, h, "/locks/a", 1)
		require.Len(t, q.Places, 2)
		for _, path := range []string{evil, "/" + evil, "/locks/b", ""} {
			assert.NotContains(t, get(h, "text/html", "?queue="+url.QueryEscape(path)).Body.String(), "<script>alert")
		}
	})
}

func TestNoSecrets(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a", func(c *framework.Config) {
			c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
		})
		_, err := cli.Create(t.Context(), "/secret", []byte("data of a node"))
		require.NoError(t, err)
		w.stand(cli, "holding", "/locks/a/lock-", "me")
		synctest.Wait()
		for _, accept := range []string{"text/html", "application/json"} {
			for _, query := range []string{"", "?queue=/locks/a", "?queue=/secret", "?queue=/"} {
				body := get(Handler(cli), accept, query).Body.String()
				for _, secret := range []string{"s3cr3t", "data of a node"} {
					assert.NotContains(t, body, secret)
				}
			}
		}
	})
}

// What the servers do not know is on the page.
func TestLacks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreateContainer {
				return zktest.AnswerWith(-6)
			}
			return zktest.Pass
		})
		cli := w.client("a")
		h := Handler(cli)
		assert.Empty(t, report(t, h, "").Clients[0].Lacks)
		assert.NotContains(t, get(h, "text/html", "").Body.String(), "do not know")
		w.stand(cli, "holding", "/locks/a/lock-", "me")
		lacks := report(t, h, "").Clients[0].Lacks
		require.Len(t, lacks, 1)
		assert.Equal(t, "createContainer", lacks[0].Request)
		assert.Equal(t, time.Now().UTC().Truncate(time.Minute), lacks[0].Since.Truncate(time.Minute))
		assert.NotEmpty(t, lacks[0].Reason)
		assert.Contains(t, get(h, "text/html", "").Body.String(), "Without it, "+lacks[0].Instead)
		assert.True(t, report(t, h, "").Ready, "that is no reason to be unready")
	})
}
