package emitted

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.yaml.in/yaml/v3"
)

const (
	dashboard  = "../../../deploy/grafana/docent.json"
	alerts     = "../../../deploy/prometheus/alerts.yaml"
	alertsTest = "../../../deploy/prometheus/alerts_test.yaml"
	operations = "../../../docs/operations.md"
)

// exported has the labels, with the values that were seen, of each series that the Prometheus exporter offers.
type exported map[string]map[string]map[string]bool

func (e exported) note(series string, labels []*dto.LabelPair) {
	if e[series] == nil {
		e[series] = make(map[string]map[string]bool)
	}
	for _, l := range labels {
		if e[series][l.GetName()] == nil {
			e[series][l.GetName()] = make(map[string]bool)
		}
		e[series][l.GetName()][l.GetValue()] = true
	}
}

// scrape is what a Prometheus server would read from a process in which everything happens.
func scrape(t *testing.T) exported {
	t.Helper()
	registry := client.NewRegistry()
	reader, err := prometheus.New(prometheus.WithRegisterer(registry))
	require.NoError(t, err)
	c := collect()
	c.meter = metric.NewMeterProvider(metric.WithReader(reader))
	all := make(exported)
	bubble(t, func(t *testing.T) {
		everything(t, c, func() {
			families, err := registry.Gather()
			require.NoError(t, err)
			for _, f := range families {
				for _, m := range f.GetMetric() {
					names := []string{f.GetName()}
					if f.GetType() == dto.MetricType_HISTOGRAM {
						names = []string{f.GetName() + "_bucket", f.GetName() + "_count", f.GetName() + "_sum"}
					}
					for _, name := range names {
						all.note(name, m.GetLabel())
					}
				}
			}
		})
	})
	return all
}

var fenced = regexp.MustCompile("(?s)```.*?```")

// prose is a page without its fenced blocks.
func prose(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return fenced.ReplaceAllString(string(text), "")
}

// rule is an alert.
type rule struct {
	Alert, Expr string
	Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile(alerts)
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// panels are the expressions of the dashboard by the titles of their panels, and those of its variables by their names.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	require.NoError(t, err)
	var board struct {
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr, LegendFormat string }
			GridPos     struct{ X, Y, W, H int }
		}
	}
	require.NoError(t, json.Unmarshal(text, &board))
	all := make(map[string][]string)
	taken := make(map[[2]int]string)
	for _, p := range board.Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				assert.Empty(t, taken[[2]int{x, y}], "%s lies on it", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
		assert.True(t, p.Type == "row" || len(p.Targets) > 0, "%s shows nothing", p.Title)
		for _, q := range p.Targets {
			all[p.Title] = append(all[p.Title], q.Expr)
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			all["variable "+v.Name] = []string{v.Definition}
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b((?:docent|db_client)_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~|!~|!=|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	known    = regexp.MustCompile("`([^`]+)`")
)

// scraped are labels that the Prometheus server adds.
var scraped = []string{"job", "instance"}

// check looks whether an expression only names series, labels and values that exist. page is docs/telemetry.md, which lists the
// values of attributes.
func (e exported) check(t *testing.T, where, expr, page string) {
	t.Helper()
	documented := make(map[string]bool)
	for _, m := range known.FindAllStringSubmatch(page, -1) {
		documented[m[1]] = true
	}
	labels := make(map[string]bool)
	bare := grouping.ReplaceAllString(expr, "")
	uses := selector.FindAllStringSubmatch(bare, -1)
	assert.NotEmpty(t, uses, "%s: %s names no metric", where, expr)
	for _, use := range uses {
		series := e[use[1]]
		if !assert.NotNil(t, series, "%s: there is no %s", where, use[1]) {
			continue
		}
		for label := range series {
			labels[label] = true
		}
		for _, m := range matcher.FindAllStringSubmatch(use[2], -1) {
			if slices.Contains(scraped, m[1]) {
				continue
			}
			if !assert.Contains(t, series, m[1], "%s: %s has no such label", where, use[1]) {
				continue
			}
			for value := range strings.SplitSeq(m[3], "|") {
				assert.True(t, value == "" || series[m[1]][value] || documented[value], "%s: %s is never %q", where, m[1], value)
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ", ") {
			assert.True(t, label == "le" || slices.Contains(scraped, label) || labels[label], "%s: no label %s", where, label)
		}
	}
}

// The dashboard, the alerts and the pages name only what the Prometheus exporter offers, and the dashboard shows all of it.
func TestPrometheusNames(t *testing.T) {
	all := scrape(t)
	text := prose(t, page)
	shown := make(map[string]bool)
	for title, exprs := range panels(t) {
		for _, expr := range exprs {
			all.check(t, "dashboard, "+title, expr, text)
			for _, use := range selector.FindAllStringSubmatch(grouping.ReplaceAllString(expr, ""), -1) {
				shown[family(use[1])] = true
			}
		}
	}
	for series := range all {
		if series != "target_info" {
			assert.True(t, shown[family(series)], "the dashboard does not show %s", series)
		}
	}
	for _, r := range rules(t) {
		all.check(t, "alert "+r.Alert, r.Expr, text)
		assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
	}
	for _, row := range table(t, text, "metric") {
		name := prometheusName(words(row[0]), row[1], words(row[2]))
		assert.Contains(t, all, name, "%s, as docs/telemetry.md says that names are made", row[0])
	}
	for _, m := range known.FindAllStringSubmatch(prose(t, operations), -1) {
		for _, use := range selector.FindAllStringSubmatch(m[1], -1) {
			assert.Contains(t, all.words(), family(use[1]), "docs/operations.md")
		}
	}
}

// family is the metric that a series belongs to.
func family(series string) string {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		series = strings.TrimSuffix(series, suffix)
	}
	return series
}

// words are the names of all metrics and of their labels.
func (e exported) words() map[string]bool {
	all := make(map[string]bool)
	for series, labels := range e {
		all[family(series)] = true
		for label := range labels {
			all[label] = true
		}
	}
	return all
}

// prometheusName is a series of a metric, by the rule in docs/telemetry.md.
func prometheusName(name, instrument, unit string) string {
	name = strings.ReplaceAll(name, ".", "_")
	if unit == "s" {
		name += "_seconds"
	}
	switch instrument {
	case "counter":
		name += "_total"
	case "histogram":
		name += "_count"
	}
	return name
}

// Each alert has an entry in the runbook, and each entry an alert.
func TestRunbook(t *testing.T) {
	text, err := os.ReadFile(operations)
	require.NoError(t, err)
	var entries, names []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (Docent\w+)$`).FindAllStringSubmatch(string(text), -1) {
		entries = append(entries, m[1])
	}
	for _, r := range rules(t) {
		names = append(names, r.Alert)
	}
	assert.ElementsMatch(t, names, entries)
}

// Prometheus accepts the alerts, and they fire as alerts_test.yaml says.
func TestAlertsFire(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{{"check", "rules", alerts}, {"test", "rules", alertsTest}} {
		out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput()
		assert.NoError(t, err, "%v: %s", args, out)
	}
}
