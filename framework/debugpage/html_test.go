package debugpage

import (
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// element is an element of a page, with all of its text.
type element struct {
	name, text string
	attrs      map[string]string
}

// elements parses a page.
func elements(t *testing.T, body string) (all []*element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []*element
	for {
		token, err := d.Token()
		if token == nil {
			require.ErrorContains(t, err, "EOF")
			return all
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attrs: make(map[string]string)}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			all, open = append(all, e), append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, e := range open {
				e.text += string(token)
			}
		}
	}
}

// texts returns the texts of the elements of a name, with single spaces.
func texts(all []*element, name string) (list []string) {
	for _, e := range all {
		if e.name == name {
			list = append(list, strings.Join(strings.Fields(e.text), " "))
		}
	}
	return list
}

// byID returns the element with an id.
func byID(t *testing.T, all []*element, id string) *element {
	t.Helper()
	for _, e := range all {
		if e.attrs["id"] == id {
			return e
		}
	}
	require.Fail(t, "there is no element with the id "+id)
	return nil
}

func TestPageNamesThePredecessorByItsID(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		w.stand(cli, "holding", "/locks/x/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-", "anna")
		w.stand(cli, "waiting", "/locks/x/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e12-lock-", "ben")
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		const before = "/locks/x/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e13-lock-0000000009"
		tracked := s.Track("lock", "/locks/x", framework.Policy{}, "waiting", slog.String("behind", before), slog.String("behind_id", "carl"))
		defer tracked.End()
		h := Handler(cli)
		report(t, h, "")
		page := elements(t, get(h, "text/html", "?queue=/locks/x").Body.String())
		assert.Contains(t, byID(t, page, "queue").text, "waits for anna")
		var found bool
		for _, e := range page {
			if e.name == "dd" && e.attrs["title"] == before {
				found = true
				assert.Equal(t, "carl", e.text)
			}
		}
		assert.True(t, found, "the node is in the title")
	})
}

func TestPageShowsSettingsAndCounts(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a", func(c *framework.Config) {
			c.Auth, c.ReadOnly = []framework.Auth{{Scheme: "digest", Credentials: []byte("ann:s3cr3t")}}, true
		})
		body := get(Handler(cli), "text/html", "").Body.String()
		page := elements(t, body)
		assert.Subset(t, texts(page, "dt"), []string{"Identities", "Read-only servers", "Sessions", "Suspensions", "Connection attempts"})
		assert.Subset(t, texts(page, "dd"), []string{"digest", "1 begun, 0 lost", "1, 0 failed"})
		assert.NotContains(t, body, "s3cr3t")
		c := report(t, Handler(cli), "").Clients[0]
		assert.Equal(t, Counts{Sessions: 1, Dials: 1}, c.Counts)
		assert.Len(t, c.Settings, 2)
	})
}

func TestPageListsProblemsEscapedAndHidesZeroCounts(t *testing.T) {
	const evil = `</li><script>alert(1)</script>`
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		problems := slog.GroupValue(slog.String("/s/"+evil, evil), slog.String("/s/b\x00", "bad"))
		tracked := s.Track("service", "/s", framework.Policy{}, "fresh", slog.Int("skipped", 2), slog.Int("ejected", 0),
			slog.Any("skipped_nodes", problems), slog.Any("ejected_instances", slog.GroupValue()))
		defer tracked.End()
		body := get(Handler(cli), "text/html", "").Body.String()
		assert.NotContains(t, body, "<script>alert")
		page := elements(t, body)
		assert.Subset(t, texts(page, "li"), []string{"skipped nodes: /s/" + evil + " " + evil, `skipped nodes: "/s/b\x00" bad`})
		assert.Contains(t, texts(page, "dt"), "skipped")
		assert.NotContains(t, texts(page, "dt"), "ejected")
		r := report(t, Handler(cli), "").Clients[0].Recipes[0]
		assert.Equal(t, Problem{"skipped nodes", "/s/" + evil, evil}, r.Problems[0])
		assert.Len(t, report(t, Handler(cli), "").Clients[0].Recipes[0].Attrs, 2, "JSON has the zero as well")
	})
}

// A client with ten thousand recipes that are not well has a page of bounded length, with those first that call for a restart.
func TestManyReasonsAreBounded(t *testing.T) {
	now := time.Now()
	c := Client{State: "Connected"}
	for i := range 10_000 {
		path := fmt.Sprint("/nodes/", i)
		c.Reasons = append(c.Reasons, Reason{Text: "node " + path + ": refused", Recipe: "node", Path: path, Since: now, Restart: i == 9_999})
		c.Recipes = append(c.Recipes, Recipe{Name: "node", Path: path, Unwell: now})
	}
	v := newClientView(c, request{}, now)
	assert.Len(t, v.Reasons, maxReasons)
	assert.Equal(t, []any{"/nodes/9999", 10_000 - maxReasons, 10_000}, []any{v.Reasons[0].Path, v.More, v.Unwell})
	c.State = "Lost"
	v = newClientView(c, request{}, now)
	assert.Equal(t, []int{1, 9_999}, []int{len(v.Reasons), v.Affected}, "in an outage, only the one for a restart is left")
}

// Headers have a scope, inputs and tables a label, and tables keep their roles when they are shown as cards.
func TestPageIsAccessible(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		w.stand(cli, "holding", "/locks/x/lock-", "me")
		h := Handler(cli)
		report(t, h, "")
		page := elements(t, get(h, "text/html", "?queue=/locks/x&filter=lock").Body.String())
		roles := map[string]string{"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
		tables := 0
		for _, e := range page {
			switch {
			case e.name == "th":
				assert.Equal(t, map[string]string{"col": "columnheader", "row": "rowheader"}[e.attrs["scope"]], e.attrs["role"])
			case roles[e.name] != "":
				assert.Equal(t, roles[e.name], e.attrs["role"])
			case e.name == "input" && e.attrs["type"] != "hidden":
				assert.NotEmpty(t, e.attrs["aria-label"])
			}
			if e.name == "table" {
				tables++
				assert.NotEmpty(t, e.attrs["aria-label"]+e.attrs["aria-labelledby"])
			}
		}
		assert.Equal(t, 3, tables, "the queue, the recipes, the history")
		assert.Equal(t, "?filter=lock&format=json&queue=%2Flocks%2Fx", byID(t, page, "json").attrs["href"])
		assert.Equal(t, "?filter=lock", byID(t, page, "close").attrs["href"])
	})
}

// However many people look at a queue, it is read once a second, with a list and one request for the nodes.
func TestQueueIsReadOnceASecondInTwoRequests(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		for range 20 {
			w.stand(cli, "waiting", "/locks/x/lock-", "me")
		}
		h := Handler(cli)
		report(t, h, "")
		var n atomic.Int64
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && (f.Op == zktest.OpGetChildren2 || f.Op == zktest.OpMultiRead || f.Op == zktest.OpGetData) {
				n.Add(1)
			}
			return zktest.Pass
		})
		for range 10 {
			assert.Len(t, queue(t, h, "/locks/x", 1).Places, 20)
		}
		assert.EqualValues(t, 2, n.Load())
		time.Sleep(copyAge)
		queue(t, h, "/locks/x", 1)
		assert.EqualValues(t, 4, n.Load())
	})
}

func TestDialErrorIsShownOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		w.Stop()
		time.Sleep(2 * timeout)
		body := get(Handler(cli), "text/html", "").Body.String()
		assert.Equal(t, 1, strings.Count(body, "connection refused"), body)
		require.NoError(t, w.StartEndpoint())
	})
}
