package emitted

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

// page is where everything is documented.
const page = "../../../docs/telemetry.md"

// table reads the table of the page with a first column of that name: the cells of each row.
func table(t *testing.T, text, first string) [][]string {
	t.Helper()
	_, rest, found := strings.Cut(text, "| "+first+" |")
	require.True(t, found, "no table of %ss", first)
	var rows [][]string
	for line := range strings.Lines(rest) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		switch {
		case rows == nil && !strings.HasPrefix(line, "| `"):
			continue // the rest of its head
		case !strings.HasPrefix(line, "|"):
			return rows
		}
		rows = append(rows, cells)
	}
	return rows
}

var code = regexp.MustCompile("`([^`]+)`")

// words are the words in code of a cell, sorted.
func words(cell string) string {
	var all []string
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// catalogue is what there is: the attributes of each name, and whatever else tells it.
type catalogue map[string]map[string]bool

func (c catalogue) note(name string, attrs map[string]string) {
	if c[name] == nil {
		c[name] = make(map[string]bool)
	}
	for key := range attrs {
		c[name][key] = true
	}
}

// lines are the names with all that was noted of them.
func (c catalogue) lines() map[string]string {
	lines := make(map[string]string)
	for name, attrs := range c {
		lines[name] = strings.Join(slices.Sorted(maps.Keys(attrs)), " ")
	}
	return lines
}

// TestEverythingIsDocumented holds the page against a run in which everything happens, both ways.
func TestEverythingIsDocumented(t *testing.T) {
	file, err := os.ReadFile(page)
	require.NoError(t, err)
	text := string(file)
	c := collect()
	metrics := make(map[string]metricdata.Metrics)
	bubble(t, func(t *testing.T) { everything(t, c, func() { maps.Copy(metrics, c.metrics(t)) }) })

	spans, happenings, operations := catalogue{}, catalogue{}, map[string]bool{}
	for _, s := range c.spans.GetSpans() {
		name := s.Name
		if s.SpanKind == trace.SpanKindClient {
			operation, _ := strings.CutPrefix(name, "zookeeper ")
			operations[operation], name = true, "zookeeper <operation>"
		}
		spans.note(name+", "+s.SpanKind.String(), attributes(s.Attributes))
		for _, e := range s.Events {
			happenings.note(e.Name, attributes(e.Attributes))
		}
	}
	documented := make(map[string]string)
	for _, row := range table(t, text, "span") {
		documented[words(row[0])+", "+row[1]] = words(row[2])
	}
	assert.Equal(t, documented, spans.lines(), "spans: what is documented, and what is emitted")

	documented = make(map[string]string)
	for _, row := range table(t, text, "event") {
		documented[words(row[0])] = words(row[2])
	}
	assert.Equal(t, documented, happenings.lines(), "events")

	listed := regexp.MustCompile(`(?s)The operations are (.*?)\.`).FindString(text)
	assert.Equal(t, words(listed), strings.Join(slices.Sorted(maps.Keys(operations)), " "), "operations")

	documented = make(map[string]string)
	for _, row := range table(t, text, "metric") {
		documented[words(row[0])+", "+row[1]+", "+words(row[2])] = words(row[3])
	}
	assert.Equal(t, documented, measured(metrics).lines(), "metrics")
}

func measured(metrics map[string]metricdata.Metrics) catalogue {
	all := catalogue{}
	for name, m := range metrics {
		for _, p := range points(m) {
			all.note(name+", "+instrument(m)+", "+m.Unit, p.attributes)
		}
	}
	return all
}

func instrument(m metricdata.Metrics) string {
	switch data := m.Data.(type) {
	case metricdata.Histogram[float64]:
		return "histogram"
	case metricdata.Gauge[float64]:
		return "gauge"
	case metricdata.Sum[int64]:
		if data.IsMonotonic {
			return "counter"
		}
	}
	return "updowncounter"
}

// Paths never label metrics, nor do texts of errors.
func TestMetricsHaveNoPaths(t *testing.T) {
	c := collect()
	bubble(t, func(t *testing.T) {
		everything(t, c, func() {
			for name, m := range c.metrics(t) {
				for _, p := range points(m) {
					for key, value := range p.attributes {
						assert.NotContains(t, value, "/", "%s: %s", name, key)
						assert.NotContains(t, value, ": ", "%s: %s", name, key)
					}
				}
			}
		})
	})
}
