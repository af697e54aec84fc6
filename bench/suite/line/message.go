package line

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The verbs of commands.
const (
	Hello   = "hello"   // asks for the version and the workloads
	Prepare = "prepare" // opens a workload
	Run     = "run"     // does its work once
	End     = "end"     // closes it
)

// Command is what a peer is asked to do.
type Command struct {
	Verb     string
	Workload string
	For      time.Duration // only with Run
	Args     Args
}

// Args are the arguments of a command. Neither keys nor values contain white space.
type Args map[string]string

// String returns the command in one line, without its end.
func (c Command) String() string {
	words := []string{c.Verb}
	if c.Workload != "" {
		words = append(words, c.Workload)
	}
	if c.Verb == Run {
		words = append(words, c.For.String())
	}
	for _, key := range slices.Sorted(maps.Keys(c.Args)) {
		words = append(words, key+"="+c.Args[key])
	}
	return strings.Join(words, " ")
}

// Parse reads a line.
func Parse(text string) (Command, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return Command{}, fmt.Errorf("the line is empty")
	}
	c := Command{Verb: words[0], Args: Args{}}
	words = words[1:]
	if len(words) > 0 {
		c.Workload, words = words[0], words[1:]
	}
	if c.Verb == Run {
		if len(words) == 0 {
			return c, fmt.Errorf("%q does not say for how long", text)
		}
		d, err := time.ParseDuration(words[0])
		if err != nil {
			return c, fmt.Errorf("%q: %w", text, err)
		}
		c.For, words = d, words[1:]
	}
	for _, word := range words {
		key, value, found := strings.Cut(word, "=")
		if !found {
			return c, fmt.Errorf("%q: %q is not key=value", text, word)
		}
		c.Args[key] = value
	}
	return c, nil
}

// Int returns the argument as a number, or otherwise if there is none.
func (a Args) Int(key string, otherwise int) int {
	n, err := strconv.Atoi(a[key])
	if err != nil {
		return otherwise
	}
	return n
}

// Duration returns the argument as a duration, or 0 if there is none.
func (a Args) Duration(key string) time.Duration {
	d, err := time.ParseDuration(a[key])
	if err != nil {
		return 0
	}
	return d
}

// With returns a copy with one more argument.
func (a Args) With(key string, value any) Args {
	b := maps.Clone(a)
	if b == nil {
		b = Args{}
	}
	b[key] = fmt.Sprint(value)
	return b
}

// Answer is what a peer says to a command.
type Answer struct {
	Error     string             `json:"error,omitempty"`
	Ops       int                `json:"ops,omitempty"`        // operations that were done and have ended
	ElapsedUS float64            `json:"elapsed_us,omitempty"` // from the first one's begin to the last one's end
	CPUUS     float64            `json:"cpu_us,omitempty"`     // processor time of the peer's process, user and system, meanwhile
	SamplesUS []float64          `json:"samples_us,omitempty"` // what single operations took, sorted; evenly thinned out if there are many
	Values    map[string]float64 `json:"values,omitempty"`     // what else there is to count
	Text      map[string]string  `json:"text,omitempty"`       // what else there is to say
}
