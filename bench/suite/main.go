// Suite measures docent beside its peers, on real servers that it starts, and writes a table, Markdown, JSON and plots. See
// bench/README.md; `go run . -help` lists the flags.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docent-zk/docent/bench/suite/contest"
	"github.com/docent-zk/docent/bench/suite/ground"
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
		err = run(ctx, o)
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
	flags.BoolVar(&o.quick, "quick", false, "two minutes: fewer rounds, in memory only, small sizes")
	flags.StringVar(&o.cases, "cases", "", "only cases and series whose names begin with one of these, separated by commas, as W1,G3")
	flags.StringVar(&o.conditions, "conditions", "", "only these, separated by commas: memory, fsync, 2ms")
	flags.BoolVar(&o.growth, "growth", true, "measure growth, too")
	flags.IntVar(&o.rounds, "rounds", 0, "rounds of slices; 0 for as many as usual")
	flags.DurationVar(&o.slice, "slice", 200*time.Millisecond, "how long a turn takes")
	flags.StringVar(&o.dir, "dir", diskDir(), "an existing directory on the disk for fsync")
	flags.StringVar(&o.out, "out", "", "write Markdown, JSON and plots into this directory")
	flags.StringVar(&o.name, "name", "results", "the name of what is written")
	flags.StringVar(&o.servers, "servers", "", "measure against these ZooKeeper servers, host:port separated by commas, instead of own ones: "+
		"bounded and read-mostly, below /docent-bench-..., which is removed at the end")
	flags.StringVar(&o.without, "without", "", "peers to leave out, separated by commas")
	flags.DurationVar(&o.limit, "limit", 2*time.Minute, "a size that would take a peer longer is left out of growth")
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
	p := contest.Plan{Rounds: 30, Units: 10, Slice: o.slice, Warm: 3 * time.Second}
	if o.quick {
		p = contest.Plan{Rounds: 5, Units: 3, Slice: min(o.slice, 100*time.Millisecond), Warm: 200 * time.Millisecond}
	}
	if o.servers != "" {
		p.Rounds, p.Warm = 10, time.Second
	}
	if o.rounds > 0 {
		p.Rounds, p.Units = o.rounds, max(1, o.rounds/3)
	}
	return p
}

func (o *options) growthPlan() contest.GrowthPlan {
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

// bench is one run of the benchmark.
type bench struct {
	*options
	peers   map[string]*contest.Peer
	loaders map[string]*contest.Peer
	report  contest.Report
}

func run(ctx context.Context, o *options) error {
	began := time.Now()
	programs, err := os.MkdirTemp("", "docent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	suite, err := os.Getwd()
	if err != nil {
		return err
	}
	b := &bench{options: o}
	b.assemble(contest.Builder{Suite: suite, Out: programs})
	defer b.close()
	b.report = contest.Report{
		Began: began.UTC().Truncate(time.Second), Command: command(o.args),
		Machine: ground.Describe(ctx, o.dir), Plan: o.plan(),
	}
	err = b.measure(ctx)
	for _, name := range slices.Sorted(maps.Keys(b.peers)) {
		b.report.Peers = append(b.report.Peers, b.peers[name].About())
	}
	b.report.Took = time.Since(began).Round(time.Second).String()
	report.Table(os.Stdout, b.report)
	if o.out != "" && err == nil {
		err = report.Write(o.out, o.name, b.report)
	}
	if failures := b.report.Failures(); len(failures) > 0 && err == nil {
		err = fmt.Errorf("%d failed", len(failures))
	}
	return err
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

// assemble chooses the peers.
func (b *bench) assemble(builder contest.Builder) {
	b.peers, b.loaders = builder.Peers()
	for name, dir := range b.beside {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		b.peers[name] = builder.Beside(name, dir)
	}
	for name := range b.peers {
		if b.without != "" && wanted(b.without, name) {
			delete(b.peers, name)
		}
	}
}

func (b *bench) close() {
	for _, p := range b.peers {
		b.complain(p.Close())
	}
	for _, p := range b.loaders {
		b.complain(p.Close())
	}
}

func (b *bench) complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (b *bench) measure(ctx context.Context) error {
	if b.servers != "" {
		return b.visit(ctx)
	}
	for _, c := range ground.Conditions {
		if err := b.under(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// under holds all cases that are wanted under a condition.
func (b *bench) under(ctx context.Context, c ground.Condition) error {
	cases, series := b.chosen(c)
	if len(cases)+len(series) == 0 {
		return nil
	}
	stage, err := contest.NewStage(ctx, c, b.dir, b.loaders)
	if err != nil {
		return err
	}
	b.report.Machine.ZooKeeper = ground.Version(stage.ZooKeeper)
	if etcd := b.peers[contest.Etcd]; etcd != nil && stage.NoEtcd != "" {
		etcd.Exclude(stage.NoEtcd)
	}
	b.start(ctx)
	b.hold(ctx, stage, cases)
	for _, s := range series {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintln(os.Stderr, s)
		b.report.Growth = append(b.report.Growth, contest.Grow(ctx, stage, s, b.peers, b.growthPlan()))
	}
	return errors.Join(context.Cause(ctx), stage.Close())
}

// start builds and starts the peers, so that this is not part of the first case.
func (b *bench) start(ctx context.Context) {
	for _, name := range slices.Sorted(maps.Keys(b.peers)) {
		b.peers[name].Start(ctx)
	}
}

func (b *bench) hold(ctx context.Context, stage *contest.Stage, cases []*contest.Case) {
	for _, c := range cases {
		if ctx.Err() != nil {
			return
		}
		began := time.Now()
		b.report.Results = append(b.report.Results, contest.Run(ctx, stage, c, b.peers, b.plan()))
		fmt.Fprintf(os.Stderr, "%s, %s: %v\n", c.ID, stage.Condition.Name, time.Since(began).Round(100*time.Millisecond))
	}
}

// chosen are the cases and series of a condition.
func (b *bench) chosen(c ground.Condition) (cases []*contest.Case, series []*contest.Series) {
	conditions := b.conditions
	if conditions == "" && b.quick {
		conditions = "memory"
	}
	if !wanted(conditions, c.Name) {
		return nil, nil
	}
	for _, one := range contest.Cases() {
		if wanted(b.cases, one.ID) && slices.Contains(one.Conditions, c.Name) && (one.Quick || !b.quick) {
			if b.quick {
				one = one.Quickly()
			}
			cases = append(cases, one)
		}
	}
	for _, s := range contest.AllSeries() {
		if b.growth && c.Name == "memory" && wanted(b.cases, s.ID) {
			series = append(series, s)
		}
	}
	return cases, series
}

// visit measures on servers that belong to somebody else.
func (b *bench) visit(ctx context.Context) error {
	root := fmt.Sprintf("/docent-bench-%x", time.Now().UnixNano())
	stage, err := contest.Guest(ctx, b.servers, root)
	if err != nil {
		return err
	}
	delete(b.peers, contest.Etcd)
	b.start(ctx)
	first, _, _ := strings.Cut(b.servers, ",")
	b.report.Machine.ZooKeeper = ground.Version(first)
	var cases []*contest.Case
	for _, c := range contest.Cases() {
		if c.Gentle && wanted(b.cases, c.ID) {
			cases = append(cases, c.Gently())
		}
	}
	b.hold(ctx, stage, cases)
	return errors.Join(context.Cause(ctx), stage.Close())
}
