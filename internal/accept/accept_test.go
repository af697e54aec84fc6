package accept

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBest(t *testing.T) {
	const firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for header, want := range map[string]string{
		"":                                       "text/html",
		"*/*":                                    "text/html",
		firefox:                                  "text/html",
		"application/json":                       "application/json",
		"Application/JSON":                       "application/json",
		"application/json; charset=utf-8":        "application/json",
		"text/html;q=0.5, application/json":      "application/json",
		"application/json;q=0.5, text/html":      "text/html",
		"application/json, text/html":            "text/html",
		"application/*":                          "application/json",
		"text/html;q=0, */*":                     "application/json",
		"*/*;q=0.1, application/json":            "application/json",
		"image/png":                              "text/html",
		"application/json;q=0":                   "text/html",
		"application/json;q=x":                   "application/json",
		"application/json;q=7":                   "application/json",
		"application/json;q=NaN, text/html":      "text/html",
		"application/json;q=NaN":                 "application/json",
		"text/html;q=0.5, application/json;q=-1": "application/json",
		";;;, ,application/json":                 "application/json",
		strings.Repeat("a/b,", 1<<10) + "application/json": "text/html",
	} {
		r := &http.Request{Header: http.Header{}}
		if header != "" {
			r.Header.Set("Accept", header)
		}
		assert.Equal(t, want, Best(r, "text/html", "application/json"), "%.80q", header)
	}
}

func FuzzBest(f *testing.F) {
	f.Add("text/html;q=0.5, */*")
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Accept": {header}}}
		assert.Contains(t, []string{"text/plain", "application/json"}, Best(r, "text/plain", "application/json"))
	})
}
