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

	"github.com/docent-zk/docent/internal/brief"
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

var page = template.Must(template.New("page").Funcs(template.FuncMap{"iso": iso, "clock": clock, "capital": capital}).Parse(source))

func iso(t time.Time) string { return t.Format(time.RFC3339Nano) }

// clock is a time to read. The zone is the servers' of most people who read logs: UTC, as in the JSON.
func clock(t time.Time) string { return t.Format("2006-01-02 15:04:05.000 UTC") }

// moment is a time to read on a page of that day, without the day if it is the same.
func moment(t, now time.Time) string {
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04:05 UTC")
	}
	return t.Format("2006-01-02 15:04:05 UTC")
}

// capital returns s with a capital letter at its beginning.
func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// request is what a reader has asked for.
type request struct{ filter, queue, client string }

// link returns the address that asks for this and for other things, relative to the page.
func (r request) link(more ...string) string {
	values := url.Values{}
	for key, value := range map[string]string{"filter": r.filter, "queue": r.queue, "client": r.client} {
		if value != "" {
			values.Set(key, value)
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		values.Set(more[i], more[i+1])
	}
	return "?" + values.Encode()
}

// view is what the template shows of a Report.
type view struct {
	*Report
	Summary badge
	Clients []clientView
	Queue   *queueView
	Filter  string
	Asked   *Queue // nil if no queue was asked for
	JSON    string // link to this report as JSON
	Close   string // link to the page without the queue
	Style   template.CSS
	Script  template.JS
}

// badge is a word and how it looks: good, warn, bad or idle.
type badge struct{ Class, Text string }

func newView(r *Report, asked request) view {
	v := view{
		Report: r, Filter: asked.filter, Summary: summary(r), JSON: asked.link("format", "json"), Close: request{filter: asked.filter}.link(),
		Style: template.CSS(style), Script: template.JS(script), //nolint:gosec // our own
	}
	for _, c := range r.Clients {
		v.Clients = append(v.Clients, newClientView(c, asked, r.Time))
	}
	if r.Queue != nil {
		v.Asked, v.Queue = r.Queue, newQueueView(r.Queue, r.Time)
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
	Reasons   []reasonView // without those that have their cause in the connection, and maxReasons at most
	More      int          // how many more reasons there are
	Affected  int          // how many reasons have their cause in the connection
	Dial      string       // why there is no connection, unless a reason says so
	Recipes   []recipeView
	Rest      int // how many more recipes there are
	Matching  int // how many recipes match the filter
	Unwell    int // how many recipes are not well
	Past      []pastView
}

const (
	maxRecipes = 200 // of a client that the page shows; its JSON has all of them
	maxReasons = 5   // of a client that the page shows; the rows of recipes have theirs
)

// meter is a bar of which Width per cent are filled.
type meter struct {
	badge
	Width int
}

func newClientView(c Client, asked request, now time.Time) clientView {
	v := clientView{
		Client: c, Class: classes[c.State], Ago: ago(c.Since, now), AnswerAgo: ago(c.LastAnswer, now), Health: ready(c),
		Timeout: "not known yet", Trust: trust(c), Line: newLine(c.History, now),
	}
	if c.TimeoutMillis > 0 {
		v.Timeout = brief.Duration(time.Duration(c.TimeoutMillis) * time.Millisecond)
	}
	v.reasons(now)
	for _, r := range c.Recipes {
		if !r.Unwell.IsZero() {
			v.Unwell++
		}
	}
	overdue := overdue(c)
	shown := pick(c.Recipes, asked.filter, overdue)
	v.Matching, v.Rest = len(shown), max(0, len(shown)-maxRecipes)
	for _, i := range shown[:len(shown)-v.Rest] {
		v.Recipes = append(v.Recipes, newRecipeView(c, i, asked, overdue[keyOf(c.Recipes[i])], now))
	}
	v.Past = past(c.History, now)
	return v
}

// reasonView is what the template shows of a Reason.
type reasonView struct {
	Reason
	When string
}

// reasons sets what is wrong with the client.
func (v *clientView) reasons(now time.Time) {
	var all []Reason
	all, v.Affected = causes(v.Client)
	v.More, v.Dial = max(0, len(all)-maxReasons), v.Error
	for _, r := range all[:len(all)-v.More] {
		if v.Error != "" && strings.Contains(r.Text, v.Error) {
			v.Dial = ""
		}
		v.Reasons = append(v.Reasons, reasonView{r, moment(r.Since, now)})
	}
}

// cut reports whether the client has no connection. Then that is what is wrong with its recipes.
func cut(c Client) bool { return classes[c.State] != "good" }

// causes returns the reasons to show, those that call for a restart first and notices last. While the client has no
// connection, the reasons of its recipes are only counted.
func causes(c Client) (reasons []Reason, affected int) {
	for _, r := range c.Reasons {
		if cut(c) && r.Recipe != "" && !r.Restart {
			affected++
		} else {
			reasons = append(reasons, r)
		}
	}
	rank := func(r Reason) int {
		switch {
		case r.Restart:
			return 0
		case r.Notice:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(rank(a), rank(b)) })
	return reasons, affected
}

// recipeKey identifies a recipe that is unwell.
type recipeKey struct {
	name, path string
	unwell     int64 // since when, in ns
}

func keyOf(r Recipe) recipeKey { return recipeKey{r.Name, r.Path, r.Unwell.UnixNano()} }

// overdue returns the recipes that have been unwell for so long that they are reasons, and not notices.
func overdue(c Client) map[recipeKey]bool {
	all := make(map[recipeKey]bool)
	for _, r := range c.Reasons {
		if r.Recipe != "" && !r.Notice {
			all[recipeKey{r.Recipe, r.Path, r.Since.UnixNano()}] = true
		}
	}
	return all
}

// pick returns the indexes of the recipes that match a filter: those that are overdue first, then others that are not
// well.
func pick(recipes []Recipe, filter string, overdue map[recipeKey]bool) (indexes []int) {
	filter = strings.ToLower(strings.TrimSpace(filter))
	for i, r := range recipes {
		if strings.Contains(strings.ToLower(r.searched()), filter) {
			indexes = append(indexes, i)
		}
	}
	slices.SortStableFunc(indexes, func(a, b int) int {
		return cmp.Compare(order(recipes[a], overdue), order(recipes[b], overdue))
	})
	return indexes
}

// searched returns the text in which a filter is searched for.
func (r Recipe) searched() string {
	var b strings.Builder
	b.WriteString(r.Name + " " + r.Path + " " + r.State + " " + r.Error)
	for _, a := range r.Attrs {
		b.WriteString(" " + a.Key + "=" + a.Value)
	}
	for _, p := range r.Problems {
		b.WriteString(" " + p.Kind + " " + p.Name)
	}
	return b.String()
}

func order(r Recipe, overdue map[recipeKey]bool) int {
	switch {
	case r.Unwell.IsZero():
		return 2
	case !overdue[keyOf(r)]:
		return 1
	}
	return 0
}

func ago(t, now time.Time) span { return span{iso(t), clock(t), brief.Duration(now.Sub(t))} }

func trust(c Client) meter {
	left := time.Duration(c.TrustedMillis) * time.Millisecond
	switch {
	case c.TrustedUntil.IsZero():
		return meter{badge{"idle", "no session"}, 0}
	case left == 0:
		return meter{badge{"bad", "not any more"}, 0}
	}
	m := meter{badge{"good", brief.Duration(left)}, int(100 * c.TrustedMillis / max(1, c.TimeoutMillis))}
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

func newRecipeView(c Client, index int, asked request, overdue bool, now time.Time) recipeView {
	r := c.Recipes[index]
	asked.queue, asked.client = r.Queue, fmt.Sprint(c.Number)
	v := recipeView{
		Recipe: r, ID: fmt.Sprintf("queue-%d-%d", c.Number, index), Class: "good", Ago: ago(r.Since, now), Outside: r.Namespace != c.Namespace,
		Policy: fmt.Sprintf("suspended: %s, lost: %s", strings.ToLower(r.OnSuspended), strings.ToLower(r.OnLost)),
		Link:   asked.link(), Attrs: newAttrViews(r),
	}
	switch {
	case !r.Unwell.IsZero() && cut(c):
		v.Class, v.Error = "idle", ""
	case !r.Unwell.IsZero() && overdue:
		v.Class, v.Row = "bad", "sick"
	case !r.Unwell.IsZero():
		v.Class, v.Row = "warn", "ill"
	case strings.HasPrefix(r.State, "waiting"), r.State == "entering", r.State == "leaving", r.State == "letting go":
		v.Class = "idle"
	}
	return v
}

// guid is the GUID in the name of a node, in the forms of docent and of others.
var guid = regexp.MustCompile(`([0-9a-f]{4})[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}`)

// short leaves out most of the GUIDs.
func short(name string) string { return guid.ReplaceAllString(name, "$1…") }

// problems are the attributes that count problems. They are shown if there are any.
var problems = map[string]bool{"refused": true, "rejected": true, "skipped": true, "ejected": true}

// newAttrViews returns the attributes to show. The place behind which a recipe waits is shown by the id of its holder, if
// that is known.
func newAttrViews(r Recipe) (all []attrView) {
	id := ""
	for _, a := range r.Attrs {
		if a.Key == "behind_id" {
			id = a.Value
		}
	}
	for _, a := range r.Attrs {
		v := attrView{Key: a.Key, Value: short(strings.TrimPrefix(a.Value, r.Path+"/")), Big: a.Key == "ahead"}
		switch {
		case a.Key == "behind_id", problems[a.Key] && a.Value == "0", a.Key == "behind" && a.Value == "":
			continue
		case a.Key == "behind" && id != "":
			v.Value, v.Full = id, a.Value
		case v.Value != a.Value:
			v.Full = a.Value
		case v.Big:
			v.Full = "when the queue was last listed"
		}
		all = append(all, v)
	}
	return all
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
		all = append(all, pastView{ch, classes[ch.State], brief.Duration(end.Sub(ch.Time))})
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
	Ahead string // the id of the place that it waits for; its position if it has none
}

func newQueueView(q *Queue, now time.Time) *queueView {
	v := &queueView{Queue: q, Rest: q.Total - len(q.Places)}
	for _, p := range q.Places {
		class := "good"
		if p.Role == "waits" {
			class = "idle"
		}
		ahead := ""
		if p.WaitsFor > 0 {
			ahead = cmp.Or(q.Places[p.WaitsFor-1].ID, fmt.Sprintf("#%d", p.WaitsFor))
		}
		v.Places = append(v.Places, placeView{p, class, ago(p.Since, now), short(p.Node), ahead})
	}
	return v
}
