package debugpage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "10.0.0.7": "10.0.0.7", "Zoë": "Zoë", "a\tb": `"a\tb"`, "\xff": `"\xff"`, "12345678": "12345678", "123456789": "12345678…", "ééééééééé": "éééééééé…",
	} {
		assert.Equal(t, want, plain(in, 8), "%q", in)
	}
}

func TestLine(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration, state string) Change { return Change{State: state, Time: now.Add(-ago)} }
	assert.Nil(t, newLine(nil, now))
	l := newLine([]Change{at(100*time.Second, "Connected"), at(50*time.Second, "Suspended"), at(50*time.Second-1, "Lost"), at(20*time.Second, "Connected")}, now)
	assert.Equal(t, "1m40s ago", l.Begin)
	assert.Equal(t, "States of the last 1m40s: 4, now Connected", l.Label)
	var shapes [][]float64
	var looks []string
	for _, b := range l.Bars {
		shapes, looks = append(shapes, []float64{b.X, b.Width}), append(looks, b.Class)
		assert.InDelta(t, lineHeight, b.Y+b.Height, 1e-6, "it stands on the ground")
	}
	assert.Equal(t, []string{"good", "good", "warn", "bad"}, looks, "trouble in front")
	assert.Equal(t, [][]float64{{0, 500}, {800, 200}, {500, leastBar}, {500, 300}}, shapes)

	l = newLine([]Change{at(100*time.Hour, "Connecting"), at(99*time.Hour, "Connected"), at(time.Minute, "Suspended"), at(0, "Lost")}, now)
	assert.Equal(t, "1h ago", l.Begin)
	assert.Len(t, l.Bars, 3, "what ended before is not drawn")
	for _, b := range l.Bars {
		assert.GreaterOrEqual(t, b.X, 0.0)
		assert.LessOrEqual(t, b.X+b.Width, lineWidth)
	}
	assert.NotPanics(t, func() { newLine([]Change{at(0, "Connecting")}, now) })
}

func TestPast(t *testing.T) {
	now := time.Now()
	at := func(ago time.Duration, state string) Change { return Change{State: state, Time: now.Add(-ago)} }
	var got []string
	for _, p := range past([]Change{at(time.Minute, "Connected"), at(40*time.Second, "Suspended"), at(30*time.Second, "Reconnected")}, now) {
		got = append(got, p.State+" "+p.Class+" "+p.For)
	}
	assert.Equal(t, []string{"Reconnected good 30s", "Suspended warn 10s", "Connected good 20s"}, got)
}

func TestShort(t *testing.T) {
	assert.Equal(t, "_c_0f8b…-lock-0000000042", short("_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-0000000042"))
	assert.Equal(t, "0f8b…__lock__0000000042", short("0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__0000000042"))
	assert.Equal(t, "lock-0000000042", short("lock-0000000042"))
}

// The page says in words what it says in colours.
func TestWords(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		held := s.Track("leader", "/e", framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}, "leading")
		defer held.End()
		page := func() string { return get(Options{Names: []string{"x"}}.Handler(cli), "text/html", "").Body.String() }
		assert.Contains(t, page(), `<span class="pill good">ready</span>`)
		assert.Contains(t, page(), `<span class="pill good">leading</span>`)
		assert.Contains(t, page(), "suspended: hold, lost: rebuild")
		held.Report("function has not returned", framework.ErrOverstayed)
		assert.Contains(t, page(), `<span class="pill warn">function has not returned</span>`)
		assert.Contains(t, page(), framework.ErrOverstayed.Error())
		time.Sleep(timeout)
		assert.Contains(t, page(), `<span class="pill bad">function has not returned</span>`)
		assert.Contains(t, page(), `<span class="pill bad">not ready</span>`)
		assert.NotContains(t, page(), "restart advised")
		time.Sleep(4 * timeout)
		assert.Contains(t, page(), `<span class="pill bad">restart advised</span>`)
		assert.Contains(t, page(), "leader /e: function has not returned, not well for 20s")
		for _, element := range []string{"<main", "<h1>", "<h2", `scope="col"`, `scope="row"`, `lang="en"`, "<noscript>", `role="img" aria-label="States of`} {
			assert.Contains(t, page(), element)
		}
		assert.Equal(t, 1, strings.Count(page(), `id="client-1"`))
	})
}

// While there is no connection, it is the one cause of what is wrong with recipes.
func TestOutageHasOneCause(t *testing.T) {
	now := time.Now()
	c := Client{State: "Lost", Reasons: []Reason{{Text: "no connection"},
		{Text: "cache /a: it is stale", Recipe: "cache", Path: "/a"}, {Text: "node /b: it does not stand", Recipe: "node", Path: "/b"}}}
	for _, path := range []string{"/a", "/b"} {
		name := map[string]string{"/a": "cache", "/b": "node"}[path]
		c.Recipes = append(c.Recipes, Recipe{Name: name, Path: path, Unwell: now, Error: "away"})
	}
	v := newClientView(c, request{}, now)
	require.Len(t, v.Reasons, 1)
	assert.Equal(t, "no connection", v.Reasons[0].Text)
	assert.Equal(t, 2, v.Affected)
	for _, r := range v.Recipes {
		assert.Equal(t, []string{"idle", "", ""}, []string{r.Class, r.Row, r.Error})
	}
	c.State = "Connected"
	v = newClientView(c, request{}, now)
	assert.Len(t, v.Reasons, 3)
	assert.Equal(t, "warn", v.Recipes[0].Class)
}

// Of ten thousand recipes the page shows those that are not well, and as many others as fit.
func TestManyRecipes(t *testing.T) {
	now := time.Now()
	c := Client{State: "Connected"}
	for i := range 10_000 {
		c.Recipes = append(c.Recipes, Recipe{Name: "node", Path: fmt.Sprintf("/nodes/%d", i), State: "standing"})
	}
	c.Recipes[9_000].Unwell, c.Recipes[9_000].State = now, "not standing"
	v := newClientView(c, request{}, now)
	assert.Len(t, v.Recipes, maxRecipes)
	assert.Equal(t, "/nodes/9000", v.Recipes[0].Path)
	assert.Equal(t, 10_000-maxRecipes, v.Rest)
	v = newClientView(c, request{filter: " NOT standing "}, now)
	assert.Len(t, v.Recipes, 1)
	assert.Zero(t, v.Rest)
	assert.Equal(t, "queue-0-9000", v.Recipes[0].ID, "the same as without a filter")
}
