package readme

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// block is a fenced block of Go.
type block struct {
	line int    // of its fence, from 1
	text string // without the fences
	run  *run   // nil if it is not run
}

// run says what a program must do.
type run struct {
	until bool   // it is interrupted when it has written text
	text  string // is in its output
}

// complete reports whether the block is a whole file, of a program or of a test.
func (b block) complete() bool { return strings.HasPrefix(b.text, "package main\n") || b.test() }

// test reports whether the block is the file of a test.
func (b block) test() bool { return strings.HasPrefix(b.text, "package service_test\n") }

var runComment = regexp.MustCompile(`^<!-- run( until)?(?:: (.+?))? -->$`)

// blocks finds the Go in a page of markdown.
func blocks(page string) []block {
	var all []block
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		fence := strings.TrimSpace(lines[i])
		if !strings.HasPrefix(fence, "```") {
			continue
		}
		b := block{line: i + 1}
		if i > 0 {
			if m := runComment.FindStringSubmatch(lines[i-1]); m != nil {
				b.run = &run{until: m[1] != "", text: m[2]}
			}
		}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			b.text += lines[i] + "\n"
		}
		if fence == "```go" {
			all = append(all, b)
		}
	}
	return all
}

func TestBlocks(t *testing.T) {
	page := strings.ReplaceAll(`# Title
'''go
x := 1
'''
'''sh
echo
'''
<!-- run until: it is up -->
'''go
package main

func main() {}
'''
<!-- run -->
'''go
package main
'''
<!-- run: done -->
'''go
package main
`, "'''", "```")
	require.Equal(t, []block{
		{line: 2, text: "x := 1\n"},
		{line: 9, text: "package main\n\nfunc main() {}\n", run: &run{until: true, text: "it is up"}},
		{line: 15, text: "package main\n", run: &run{}},
		{line: 19, text: "package main\n\n", run: &run{text: "done"}},
	}, blocks(page))
}
