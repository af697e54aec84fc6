// Suite measures docent beside its peers, on real servers that it starts, and writes a table, Markdown, JSON and plots. See
// bench/README.md; `go run . -help` lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docent-zk/docent/bench/suite/contest"
	"github.com/docent-zk/docent/bench/suite/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case err != nil:
	case o.show != "":
		err = show(o)
	default:
		err = newBench(o).run(ctx)
	}
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	quick      bool
	cases      string
	conditions string
	growth     bool
	scale      bool
	rounds     int
	slice      time.Duration
	dir        string
	out        string
	name       string
	servers    string
	beside     map[string]string // checkouts by name
	without    string
	limit      time.Duration
	show       string
	args       []string
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{beside: map[string]string{}, args: args}
	flags := flag.NewFlagSet("suite", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.BoolVar(&o.quick, "quick", false, "within two minutes: few rounds, in memory only, small sizes")
	flags.StringVar(&o.cases, "cases", "", "only cases and series whose names begin with one of these, separated by commas, as W1,G3")
	flags.StringVar(&o.conditions, "conditions", "", "only these, separated by commas: memory, fsync, 2ms")
	flags.BoolVar(&o.growth, "growth", true, "measure growth, too")
	flags.BoolVar(&o.scale, "scale", false, "only docent, and only growth, to the largest sizes; fails if a bound is exceeded")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds of slices, for slow peers as well; 0 for as many as usual")
	flags.DurationVar(&o.slice, "slice", 200*time.Millisecond, "how long a turn takes")
	flags.StringVar(&o.dir, "dir", diskDir(), "an existing directory on the disk for fsync")
	flags.StringVar(&o.out, "out", "", "write Markdown, JSON and plots into this directory")
	flags.StringVar(&o.name, "name", "results", "the name of what is written")
	flags.StringVar(&o.servers, "servers", "", "measure against these ZooKeeper servers, host:port separated by commas, instead of own ones: "+
		"bounded and read-mostly, below /docent-bench-..., which is removed at the end")
	flags.StringVar(&o.without, "without", "", "peers to leave out, separated by commas")
	flags.DurationVar(&o.limit, "limit", 30*time.Second, "how long a peer may take for all sizes of a series of growth; sizes beyond are left out")
	flags.StringVar(&o.show, "show", "", "measure nothing, and show what is in this JSON file again")
	flags.Func("beside", "name=directory of a checkout whose docent takes part as well; can be repeated", func(s string) error {
		name, dir, found := strings.Cut(s, "=")
		if !found || name == "" || dir == "" {
			return errors.New("it is not name=directory")
		}
		o.beside[contest.Docent+"@"+name] = dir
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown arguments: %q", flags.Args())
	}
	return o, nil
}

// diskDir is a directory that is likely to be on a disk, which that for temporary files need not be.
func diskDir() string {
	dir, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return os.TempDir()
	}
	return dir
}

// plan says how long to measure. One turn of each peer in a round must be less than the time in which the machine changes.
func (o *options) plan() contest.Plan {
	p := contest.Plan{
		Rounds: 20, Units: 9, Slice: o.slice, Warm: 500 * time.Millisecond, WarmJIT: 3 * time.Second, Share: 12 * time.Second, Least: 5,
	}
	if o.quick {
		p = contest.Plan{
			Rounds: 4, Units: 2, Slice: min(o.slice, 100*time.Millisecond), Warm: 100 * time.Millisecond, WarmJIT: time.Second,
			Share: 1500 * time.Millisecond, Least: 2,
		}
	}
	if o.servers != "" {
		p.Rounds, p.WarmJIT = 10, time.Second
	}
	if o.rounds > 0 {
		p.Rounds, p.Units, p.Share = o.rounds, max(1, o.rounds/3), 0
	}
	return p
}

func (o *options) growthPlan() contest.GrowthPlan {
	if o.scale {
		return contest.GrowthPlan{Turns: 1, Largest: 200_000, Limit: 3 * o.limit}
	}
	if o.quick {
		return contest.GrowthPlan{Turns: 1, Largest: 300, Limit: min(o.limit, 3*time.Second)}
	}
	return contest.GrowthPlan{Turns: 3, Largest: 100_000, Limit: o.limit}
}

// wanted reports whether a name begins with one of those in a list, or the list is empty.
func wanted(list, name string) bool {
	if list == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(list, ","), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// command is what runs the benchmark again.
func command(args []string) string {
	words := []string{"go", "run", "."}
	for _, arg := range args {
		if strings.ContainsAny(arg, " \t'\"") {
			arg = strconv.Quote(arg)
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// show makes the table, the page and the plots again.
func show(o *options) error {
	raw, err := os.ReadFile(o.show)
	if err != nil {
		return err
	}
	r, err := contest.Read(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", o.show, err)
	}
	report.Table(os.Stdout, r)
	if o.out == "" {
		return nil
	}
	return report.Write(o.out, o.name, r)
}
