package bench

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
)

// row is what a contest of callers has shown.
type row struct {
	name         string
	n            float64
	docent, bare score
	medians      [2]time.Duration
	callers      int
}

// table collects the rows of all benchmarks, each in the latest of its runs. It is printed at the end.
type table struct {
	mu   sync.Mutex
	rows []row
}

var results table

// note puts the result of a run into the table.
func note(b *testing.B, c contest, docent, bare score) {
	b.Helper()
	results.put(row{
		name: strings.TrimPrefix(b.Name(), "Benchmark"), n: float64(b.N), docent: docent, bare: bare,
		medians: [2]time.Duration{c.times[0].median(), c.times[1].median()}, callers: c.callers,
	})
}

func (t *table) put(r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last := len(t.rows) - 1; last >= 0 && t.rows[last].name == r.name {
		t.rows[last] = r
		return
	}
	t.rows = append(t.rows, r)
}

// print writes docent's figures beside those of bare go-zookeeper, with their ratio.
func (t *table) print(out io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "each: docent, bare, docent/bare\tp50 us\top/s\tCPU us/op\tallocs/op\tB/op\tgoroutines/call\t")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%.2f %.2f\t\n", r.name,
			beside(micro(r.medians[0]), micro(r.medians[1])),
			beside(r.n/r.docent.time.Seconds(), r.n/r.bare.time.Seconds()),
			beside(micro(r.docent.cpu)/r.n, micro(r.bare.cpu)/r.n),
			beside(float64(r.docent.allocs)/r.n, float64(r.bare.allocs)/r.n),
			beside(float64(r.docent.bytes)/r.n, float64(r.bare.bytes)/r.n),
			float64(r.docent.goroutines)/float64(r.callers), float64(r.bare.goroutines)/float64(r.callers))
	}
	_ = w.Flush()
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func beside(docent, bare float64) string {
	return fmt.Sprintf("%s %s %.2f", number(docent), number(bare), docent/cmp.Or(bare, 1))
}

// number has three digits, or more if there are more before the point.
func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// tableMain prints the table when everything has run.
type tableMain struct{ *testing.M }

// Run implements goleak.TestingM.
func (m tableMain) Run() int {
	defer results.print(os.Stdout)
	return m.M.Run()
}

func TestTable(t *testing.T) {
	var tbl table
	var out strings.Builder
	tbl.print(&out)
	assert.Empty(t, out.String())
	half := score{time: time.Second, cpu: 10 * time.Millisecond, allocs: 500, bytes: 5000, goroutines: 1}
	whole := score{time: 2 * time.Second, cpu: 20 * time.Millisecond, allocs: 1000, bytes: 10000, goroutines: 4}
	for _, n := range []float64{1, 100} {
		tbl.put(row{"Get/callers=2", n, half, whole, [2]time.Duration{time.Millisecond, 2 * time.Millisecond}, 2})
	}
	tbl.print(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	assert.Len(t, lines, 2)
	for _, want := range []string{"1000 2000 0.50", "100 50 2.00", "100 200 0.50", "5 10 0.50", "50 100 0.50", "0.50 2.00"} {
		assert.Contains(t, lines[1], want)
	}
}
