package debugpage

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// client collects what there is to show of a client.
func (h *handler) client(cli named, number int) Client {
	health := cli.HealthWithin(h.Bounds)
	c := Client{Number: number, Name: cli.name, Ready: health.Ready(), Live: health.Live(), History: []Change{}, Recipes: []Recipe{}}
	for _, r := range health.Reasons {
		c.Reasons = append(c.Reasons, Reason{
			Text: plain(r.Text, maxText), Recipe: r.Recipe, Path: r.Path, Since: stamp(r.Since), Notice: r.Notice, Restart: r.Restart,
		})
	}
	if cli.Client == nil {
		c.State = "nil"
		return c
	}
	info := cli.Info()
	c.connection(info, health.Time)
	for _, l := range info.Lacks {
		c.Lacks = append(c.Lacks, Lack{Request: l.Request, Since: stamp(l.Since), Reason: l.Reason, Instead: l.Instead})
	}
	for _, st := range info.Settings {
		c.Settings = append(c.Settings, Setting{Name: st.Name, State: plain(st.State, maxText), Error: text(st.Err)})
	}
	for _, ch := range cli.History() {
		c.History = append(c.History, Change{
			State: ch.State.String(), Time: stamp(ch.Time), Epoch: ch.Epoch, Session: sessionID(ch.SessionID), Server: ch.Server, Cause: text(ch.Cause),
		})
	}
	for _, r := range cli.Recipes() {
		recipe := newRecipe(r)
		if recipe.Queue != "" {
			h.learn(queueKey{number, recipe.Queue})
		}
		c.Recipes = append(c.Recipes, recipe)
	}
	return c
}

func (c *Client) connection(info framework.Info, now time.Time) {
	c.State, c.Since, c.Cause, c.Error = info.State.String(), stamp(info.Time), text(info.Cause), text(info.Err)
	c.Epoch, c.Session, c.Server, c.Namespace = info.Epoch, sessionID(info.SessionID), info.Server, info.Namespace
	c.Servers, c.Counts = info.Servers, Counts(info.Counts)
	c.TimeoutMillis = info.Timeout.Milliseconds()
	c.LastAnswer, c.TrustedUntil = stamp(info.LastAnswer), stamp(info.TrustedUntil)
	if !info.TrustedUntil.IsZero() {
		c.TrustedMillis = max(0, info.TrustedUntil.Sub(now).Milliseconds())
	}
}

func newRecipe(r framework.LiveRecipe) Recipe {
	recipe := Recipe{
		Name: r.Name, Path: r.Path, Namespace: r.Namespace, Held: r.Held, Started: stamp(r.Since), Epoch: r.Epoch, Starts: r.Starts,
		OnSuspended: r.Policy.OnSuspended.String(), OnLost: r.Policy.OnLost.String(), GraceMillis: r.Policy.Grace.Milliseconds(),
		State: r.Status.State, Since: stamp(r.Status.Since), Error: text(r.Status.Err), Unwell: stamp(r.Status.Unwell),
	}
	for _, list := range [][]slog.Attr{r.Status.Attrs, r.Attrs} {
		for _, a := range list {
			recipe.add(a)
		}
	}
	return recipe
}

// add adds an attribute. A group lists problems.
func (r *Recipe) add(a slog.Attr) {
	if a.Value.Kind() == slog.KindGroup {
		kind := plain(strings.ReplaceAll(a.Key, "_", " "), maxID)
		for _, problem := range a.Value.Group() {
			r.Problems = append(r.Problems, Problem{Kind: kind, Name: plain(problem.Key, maxText), Reason: plain(problem.Value.String(), maxText)})
		}
		return
	}
	value := a.Value.String()
	if a.Key == "node" {
		r.Queue = queueOf(r.Namespace, value)
	}
	most := maxText
	if a.Key == "behind_id" { // the data of a node
		most = maxID
	}
	r.Attrs = append(r.Attrs, Attr{Key: a.Key, Value: plain(value, most)})
}

// queueOf is the directory of a node that stands in a queue, below no namespace; empty if it stands in none.
func queueOf(namespace, node string) string {
	dir, name := framework.Split(node)
	if !competing.Has(seqnode.Parse(name).Kind) {
		return ""
	}
	return framework.Join(namespace, dir)
}

// stamp is a time without a monotonic reading, in UTC.
func stamp(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

func sessionID(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%#x", uint64(id))
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return plain(fmt.Sprint(err), maxText) // it may be anybody's, and panic
}

// How many characters of a text by somebody else are shown.
const (
	maxText = 1000
	maxID   = 120
)

// plain makes a text fit to be shown: at most so many characters, quoted if any of them is not visible.
func plain(s string, most int) string {
	if i := offset(s, most); i < len(s) {
		s = s[:i] + "…"
	}
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && r != '\n' }) < 0 {
		return s
	}
	return strconv.Quote(s)
}

// offset is where the character with that index begins in s, and the length of s if there are not so many.
func offset(s string, index int) int {
	for i := range s {
		if index == 0 {
			return i
		}
		index--
	}
	return len(s)
}
