package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/docent-zk/docent/framework"
)

// printer writes to standard output and remembers the first error, after which it writes nothing.
type printer struct {
	w   *bufio.Writer
	err error
}

func newPrinter(w io.Writer) *printer { return &printer{w: bufio.NewWriterSize(w, 1<<16)} }

// Write implements io.Writer.
func (p *printer) Write(data []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.w.Write(data)
	p.err = err
	return n, err
}

func (p *printer) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// flush returns the first error there was.
func (p *printer) flush() error {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

// json writes v, indented.
func (p *printer) json(v any) {
	e := json.NewEncoder(p)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	p.encoded(e.Encode(v))
}

// jsonLine writes v in one line.
func (p *printer) jsonLine(v any) {
	e := json.NewEncoder(p)
	e.SetEscapeHTML(false)
	p.encoded(e.Encode(v))
}

func (p *printer) encoded(err error) {
	if err != nil && p.err == nil {
		p.err = err
	}
}

// table writes rows under a heading, in columns. Cells are made safe for a terminal.
func (p *printer) table(heading []string, rows [][]string) {
	tw := tabwriter.NewWriter(p, 0, 8, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = clip(cell, maxCell)
			if cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(tw, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	p.encoded(tw.Flush())
}

// maxCell is the longest text in a column, in characters.
const maxCell = 80

// clip returns s, safe for a terminal and of at most n characters.
func clip(s string, n int) string {
	if len(s) > 4*n { // the rest cannot be shown in any case
		s = s[:4*n]
	}
	runes := []rune(safe(s))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-1]) + "…"
}

// safe returns s with everything escaped that is not visible text: control characters, which a terminal would obey,
// characters that reorder a line, and what is not UTF-8.
func safe(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[size:]
	}
	return b.String()
}

// readable reports whether data is text that a terminal shows as it is.
func readable(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, r := range string(data) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}

// session is how sessions are written everywhere in ZooKeeper.
func session(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf("%#x", uint64(id))
}

// clock is a moment, to the second. The zero Time is empty.
func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// age says how long something has lasted, in two units at most.
func age(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// nodeJSON is a node, for programs. 64-bit ids are strings, because many readers of JSON round numbers of that size.
type nodeJSON struct {
	Path     string  `json:"path"`
	Data     *string `json:"data,omitempty"`       // if it is UTF-8
	Base64   []byte  `json:"dataBase64,omitempty"` // otherwise
	Bytes    int32   `json:"bytes"`
	Children int32   `json:"children"`
	Version  int32   `json:"version"`
	Created  string  `json:"created"`
	Modified string  `json:"modified"`
	Czxid    string  `json:"czxid"`
	Mzxid    string  `json:"mzxid"`
	Session  string  `json:"session,omitempty"` // of an ephemeral node
}

func statJSON(path string, stat framework.Stat) nodeJSON {
	return nodeJSON{
		Path: path, Bytes: stat.DataLength, Children: stat.NumChildren, Version: stat.Version,
		Created: clock(time.UnixMilli(stat.Ctime)), Modified: clock(time.UnixMilli(stat.Mtime)),
		Czxid: fmt.Sprintf("%#x", uint64(stat.Czxid)), Mzxid: fmt.Sprintf("%#x", uint64(stat.Mzxid)),
		Session: session(stat.EphemeralOwner),
	}
}

func (n nodeJSON) with(data []byte) nodeJSON {
	if utf8.Valid(data) {
		text := string(data)
		n.Data = &text
	} else {
		n.Base64 = data
	}
	return n
}
