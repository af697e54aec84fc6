package debugpage

import (
	"cmp"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var source string

//go:embed page.css
var style string

//go:embed page.js
var script string

// policy is the page's Content-Security-Policy: its own style and script, and requests to where it came from.
var policy = fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; connect-src 'self'; img-src data:; base-uri 'none'; "+
	"form-action 'self'; frame-ancestors 'none'", hash(style), hash(script))

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{"iso": iso, "clock": clock}).Parse(source))

func iso(t time.Time) string { return t.Format(time.RFC3339Nano) }

// clock is a time to read. The zone is the servers' of most people who read logs: UTC, as in the JSON.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05.000 UTC") }

// view is what the template shows of a Report.
type view struct {
	*Report
	Summary badge
	Clients []clientView
	Queue   *queueView
	Filter  string
	Style   template.CSS
	Script  template.JS
}

// badge is a word and how it looks: good, warn, bad or idle.
type badge struct{ Class, Text string }

func newView(r *Report, filter string) view {
	v := view{Report: r, Filter: filter, Summary: summary(r), Style: template.CSS(style), Script: template.JS(script)} //nolint:gosec // our own
	for _, c := range r.Clients {
		v.Clients = append(v.Clients, newClientView(c, filter, r.Time))
	}
	if r.Queue != nil {
		v.Queue = newQueueView(r.Queue, r.Time)
	}
	return v
}

func summary(r *Report) badge {
	well := 0
	for _, c := range r.Clients {
		if c.Ready {
			well++
		}
	}
	switch {
	case !r.Live:
		return badge{"bad", "restart advised"}
	case len(r.Clients) == 1:
		return ready(r.Clients[0])
	case r.Ready:
		return badge{"good", fmt.Sprintf("%d clients ready", well)}
	}
	return badge{"bad", fmt.Sprintf("%d of %d clients ready", well, len(r.Clients))}
}

func ready(c Client) badge {
	if c.Ready {
		return badge{"good", "ready"}
	}
	return badge{"bad", "not ready"}
}

// span is a time and how long ago it was.
type span struct{ ISO, Clock, Text string }

// duration is a duration to read, of two units at most.
func duration(d time.Duration) string {
	d = max(d, 0)
	seconds := int(d.Seconds())
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", float64(d.Milliseconds()/100)/10)
	case d < time.Minute:
		return fmt.Sprintf("%d s", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%d d %d h", seconds/86400, seconds/3600%24)
}

// classes are how the states of a connection look.
var classes = map[string]string{
	"Connected": "good", "Reconnected": "good", "Suspended": "warn", "Lost": "bad", "ReadOnly": "warn", "Connecting": "idle", "Closed": "idle", "nil": "bad",
}

// clientView is what the template shows of a Client.
type clientView struct {
	Client
	Class     string
	Ago       span
	AnswerAgo span
	Health    badge
	Timeout   string
	Trust     meter
	Line      *line
	Reasons   []Reason // without those that have their cause in the connection
	Affected  int      // how many those are
	Recipes   []recipeView
	Rest      int // how many more recipes there are
	Matching  int // how many recipes match the filter
	Past      []pastView
}

// maxRecipes is how many recipes of a client the page shows. Its JSON has all of them.
const maxRecipes = 200

// meter is a bar of which Width per cent are filled.
type meter struct {
	badge
	Width int
}

func newClientView(c Client, filter string, now time.Time) clientView {
	v := clientView{
		Client: c, Class: classes[c.State], Ago: ago(c.Since, now), AnswerAgo: ago(c.LastAnswer, now), Health: ready(c),
		Timeout: "not known yet", Trust: trust(c), Line: newLine(c.History, now),
	}
	if c.TimeoutMillis > 0 {
		v.Timeout = duration(time.Duration(c.TimeoutMillis) * time.Millisecond)
	}
	v.Reasons, v.Affected = causes(c)
	shown := pick(c.Recipes, filter)
	v.Matching, v.Rest = len(shown), max(0, len(shown)-maxRecipes)
	for _, i := range shown[:len(shown)-v.Rest] {
		v.Recipes = append(v.Recipes, newRecipeView(c.Recipes[i], c, i, now))
	}
	v.Past = past(c.History, now)
	return v
}

// cut reports whether the client has no connection. Then that is what is wrong with its recipes.
func cut(c Client) bool { return classes[c.State] != "good" }

// causes are the reasons to show. While the client has no connection, the reasons of its recipes are only counted.
func causes(c Client) (reasons []Reason, affected int) {
	if !cut(c) {
		return c.Reasons, 0
	}
	of := make(map[string]bool, len(c.Recipes))
	for _, r := range c.Recipes {
		of[r.Name+" "+r.Path] = true
	}
	for _, r := range c.Reasons {
		if recipe, _, found := strings.Cut(r.Text, ":"); found && of[recipe] {
			affected++
		} else {
			reasons = append(reasons, r)
		}
	}
	return reasons, affected
}

// pick returns the indexes of the recipes that match a filter, those that are not well first.
func pick(recipes []Recipe, filter string) (indexes []int) {
	filter = strings.ToLower(strings.TrimSpace(filter))
	for i, r := range recipes {
		if strings.Contains(strings.ToLower(r.Name+" "+r.Path+" "+r.State+" "+r.Error), filter) {
			indexes = append(indexes, i)
		}
	}
	slices.SortStableFunc(indexes, func(a, b int) int {
		return cmp.Compare(order(recipes[a]), order(recipes[b]))
	})
	return indexes
}

func order(r Recipe) int {
	if r.Unwell.IsZero() {
		return 1
	}
	return 0
}

func ago(t, now time.Time) span { return span{iso(t), clock(t), duration(now.Sub(t))} }

func trust(c Client) meter {
	left := time.Duration(c.TrustedMillis) * time.Millisecond
	switch {
	case c.TrustedUntil.IsZero():
		return meter{badge{"idle", "no session"}, 0}
	case left == 0:
		return meter{badge{"bad", "not any more"}, 0}
	}
	m := meter{badge{"good", duration(left)}, int(100 * c.TrustedMillis / max(1, c.TimeoutMillis))}
	if cut(c) || m.Width < 25 {
		m.Class = "warn"
	}
	return m
}

// recipeView is what the template shows of a Recipe.
type recipeView struct {
	Recipe
	ID      string // of the link
	Class   string
	Row     string
	Ago     span
	Policy  string
	Outside bool // it is in another namespace than the client
	Attrs   []attrView
	Link    string
}

// attrView is an attribute. Full is its value if that is shortened, or what else there is to say.
type attrView struct {
	Key, Value, Full string
	Big              bool
}

func newRecipeView(r Recipe, c Client, index int, now time.Time) recipeView {
	v := recipeView{
		Recipe: r, ID: fmt.Sprintf("queue-%d-%d", c.Number, index), Class: "good", Ago: ago(r.Since, now), Outside: r.Namespace != c.Namespace,
		Policy: fmt.Sprintf("suspended: %s, lost: %s", strings.ToLower(r.OnSuspended), strings.ToLower(r.OnLost)),
		Link:   "?" + url.Values{"queue": {r.Queue}, "client": {fmt.Sprint(c.Number)}}.Encode(),
	}
	switch {
	case !r.Unwell.IsZero() && cut(c):
		v.Class, v.Error = "idle", ""
	case !r.Unwell.IsZero():
		v.Class, v.Row = "warn", "ill"
		if overdue(r, c) {
			v.Class, v.Row = "bad", "sick"
		}
	case strings.HasPrefix(r.State, "waiting"), r.State == "entering", r.State == "leaving":
		v.Class = "idle"
	}
	for _, a := range r.Attrs {
		v.Attrs = append(v.Attrs, newAttrView(a, r.Path))
	}
	return v
}

// overdue reports whether the recipe is one of the client's reasons, and not a notice.
func overdue(r Recipe, c Client) bool {
	for _, reason := range c.Reasons {
		if !reason.Notice && reason.Since.Equal(r.Unwell) && strings.HasPrefix(reason.Text, r.Name+" "+r.Path+":") {
			return true
		}
	}
	return false
}

// guid is the GUID in the name of a node, in the forms of docent and of others.
var guid = regexp.MustCompile(`([0-9a-f]{4})[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}`)

// short leaves out most of the GUIDs.
func short(name string) string { return guid.ReplaceAllString(name, "$1…") }

func newAttrView(a Attr, path string) attrView {
	v := attrView{Key: a.Key, Value: short(strings.TrimPrefix(a.Value, path+"/")), Big: a.Key == "ahead"}
	switch {
	case v.Value != a.Value:
		v.Full = a.Value
	case v.Big:
		v.Full = "when the queue was last listed"
	}
	return v
}

// pastView is what the template shows of a Change.
type pastView struct {
	Change
	Class, For string
}

// past is the history, the latest first.
func past(history []Change, now time.Time) []pastView {
	var all []pastView
	end := now
	for i := len(history) - 1; i >= 0; i-- {
		ch := history[i]
		all = append(all, pastView{ch, classes[ch.State], duration(end.Sub(ch.Time))})
		end = ch.Time
	}
	return all
}

// queueView is what the template shows of a Queue.
type queueView struct {
	*Queue
	Places []placeView
	Rest   int
}

// placeView is what the template shows of a Place.
type placeView struct {
	Place
	Class string
	Ago   span
	Short string
}

func newQueueView(q *Queue, now time.Time) *queueView {
	v := &queueView{Queue: q, Rest: q.Total - len(q.Places)}
	for _, p := range q.Places {
		class := "good"
		if p.Role == "waits" {
			class = "idle"
		}
		v.Places = append(v.Places, placeView{p, class, ago(p.Since, now), short(p.Node)})
	}
	return v
}
