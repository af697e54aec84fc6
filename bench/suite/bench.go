package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/bench/suite/contest"
	"github.com/docent-zk/docent/bench/suite/ground"
	"github.com/docent-zk/docent/bench/suite/report"
)

// bench is one run of the benchmark.
type bench struct {
	*options
	began   time.Time
	peers   map[string]*contest.Peer
	loaders map[string]*contest.Peer
	report  contest.Report

	done, all int           // cases and series
	left      time.Duration // that those to come usually take
}

func newBench(o *options) *bench { return &bench{options: o, began: time.Now()} }

// part is what is measured on the same servers.
type part struct {
	condition ground.Condition
	cases     []*contest.Case
	series    []*contest.Series
	open      func(ctx context.Context) (*contest.Stage, error)
}

func (b *bench) run(ctx context.Context) error {
	programs, err := os.MkdirTemp("", "docent-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	suite, err := os.Getwd()
	if err != nil {
		return err
	}
	b.assemble(contest.Builder{Suite: suite, Out: programs})
	defer b.close()
	b.report = contest.Report{
		Began: b.began.UTC().Truncate(time.Second), Command: command(b.args), Machine: ground.Describe(ctx, b.dir), Plan: b.plan(),
	}
	parts := b.parts()
	if err := b.start(ctx); err != nil {
		return err
	}
	b.announce(parts)
	for _, p := range parts {
		b.measure(ctx, p)
	}
	err = errors.Join(context.Cause(ctx), b.save())
	report.Table(os.Stdout, b.report)
	if failures := b.report.Failures(); len(failures) > 0 {
		err = errors.Join(err, fmt.Errorf("%d failed", len(failures)))
	}
	if b.scale {
		for _, g := range b.report.Growth {
			for _, text := range g.Exceeded() {
				err = errors.Join(err, errors.New(text))
			}
		}
	}
	return err
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
		if b.scale && name != contest.Docent || b.without != "" && wanted(b.without, name) || b.servers != "" && name == contest.Etcd {
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

// start builds and starts the peers, so that this is not part of the first case. There is nothing to measure without docent, be it
// that of this checkout or of another.
func (b *bench) start(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "Building and starting the peers. The first time, Go downloads and compiles etcd's client.")
	for _, name := range slices.Sorted(maps.Keys(b.peers)) {
		b.peers[name].Start(ctx)
		if missing := b.peers[name].About().Missing; missing != "" {
			fmt.Fprintf(os.Stderr, "%s does not take part: %s\n", name, missing)
			if strings.HasPrefix(name, contest.Docent) {
				return errors.Join(context.Cause(ctx), fmt.Errorf("%s cannot be built", name))
			}
		}
	}
	return nil
}

// estimate counts what there is to do, and how long it takes.
func (b *bench) estimate(parts []part) (usual, most time.Duration) {
	for _, p := range parts {
		for _, c := range p.cases {
			u, m := b.plan().Estimate(c, c.Seats(b.peers))
			usual, most, b.all = usual+u, most+m, b.all+1
		}
		for _, s := range p.series {
			u, m := b.growthPlan().Estimate(s, s.Seats(b.peers))
			usual, most, b.all = usual+u, most+m, b.all+1
		}
	}
	b.left = usual
	return usual, most
}

// announce says how long it will take.
func (b *bench) announce(parts []part) {
	usual, most := b.estimate(parts)
	fmt.Fprintf(os.Stderr, "%d cases and series, which usually take %v, and at most some %v.\n", b.all, usual.Round(time.Second), most.Round(time.Second))
}

// parts are all that is wanted.
func (b *bench) parts() []part {
	if b.servers != "" {
		return []part{b.visit()}
	}
	var parts []part
	for _, c := range ground.Conditions {
		p := part{condition: c}
		if p.cases, p.series = b.chosen(c); len(p.cases)+len(p.series) == 0 {
			continue
		}
		p.open = func(ctx context.Context) (*contest.Stage, error) { return contest.NewStage(ctx, c, b.dir, b.loaders) }
		parts = append(parts, p)
	}
	return parts
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
		if !b.scale && wanted(b.cases, one.ID) && slices.Contains(one.Conditions, c.Name) && (one.Quick || !b.quick) {
			if b.quick {
				one = one.Quickly()
			}
			cases = append(cases, one)
		}
	}
	for _, s := range contest.AllSeries() {
		if (b.scale || b.growth && !s.Scale) && c.Name == "memory" && wanted(b.cases, s.ID) {
			series = append(series, s)
		}
	}
	return cases, series
}

// visit is what is measured on servers that belong to somebody else.
func (b *bench) visit() part {
	p := part{condition: ground.Condition{Name: "yours"}}
	for _, c := range contest.Cases() {
		if c.Gentle && wanted(b.cases, c.ID) {
			p.cases = append(p.cases, c.Gently())
		}
	}
	p.open = func(ctx context.Context) (*contest.Stage, error) {
		return contest.Guest(ctx, b.servers, fmt.Sprintf("/docent-bench-%x", time.Now().UnixNano()))
	}
	return p
}

// measure does a part. What goes wrong with its servers is reported, and the other parts go on.
func (b *bench) measure(ctx context.Context, p part) {
	if ctx.Err() != nil {
		return
	}
	stage, err := p.open(ctx)
	if err != nil {
		b.trouble(ctx, p, err)
		return
	}
	first, _, _ := strings.Cut(stage.ZooKeeper, ",")
	b.report.Machine.ZooKeeper = ground.Version(first)
	if etcd := b.peers[contest.Etcd]; etcd != nil && stage.NoEtcd != "" {
		etcd.Exclude(stage.NoEtcd)
	}
	for _, c := range p.cases {
		u, _ := b.plan().Estimate(c, c.Seats(b.peers))
		b.step(ctx, c.ID+", "+stage.Condition.Name, u, func() {
			if r := contest.Run(ctx, stage, c, b.peers, b.plan()); ctx.Err() == nil {
				b.report.Results = append(b.report.Results, r)
			}
		})
	}
	for _, s := range p.series {
		u, _ := b.growthPlan().Estimate(s, s.Seats(b.peers))
		b.step(ctx, s.String(), u, func() {
			if g := contest.Grow(ctx, stage, s, b.peers, b.growthPlan()); ctx.Err() == nil {
				b.report.Growth = append(b.report.Growth, g)
			}
		})
	}
	if err := stage.Close(); err != nil {
		b.trouble(ctx, p, err)
	}
}

// trouble reports what went wrong with servers, unless it is because of an interruption.
func (b *bench) trouble(ctx context.Context, p part, err error) {
	if ctx.Err() == nil {
		b.report.Troubles = append(b.report.Troubles, p.condition.Name+": "+err.Error())
	}
}

// step does a case or a series, and writes what there is so far, so that nothing is lost if a later one ends the run.
func (b *bench) step(ctx context.Context, name string, usual time.Duration, do func()) {
	if ctx.Err() != nil {
		return
	}
	began := time.Now()
	do()
	b.left -= usual
	if ctx.Err() == nil {
		b.done++
	}
	fmt.Fprintf(os.Stderr, "%d of %d, %s: %v. To come: some %v.\n", b.done, b.all, name,
		time.Since(began).Round(100*time.Millisecond), b.left.Round(time.Second))
	b.complain(b.save())
}

// save writes the report, if it is to be written.
func (b *bench) save() error {
	b.report.Peers = nil
	for _, name := range slices.Sorted(maps.Keys(b.peers)) {
		b.report.Peers = append(b.report.Peers, b.peers[name].About())
	}
	b.report.Took = time.Since(b.began).Round(time.Second).String()
	b.report.Unfinished = ""
	if b.done < b.all {
		b.report.Unfinished = fmt.Sprintf("%d of %d cases and series were measured", b.done, b.all)
	}
	if b.out == "" {
		return nil
	}
	return report.Write(b.out, b.name, b.report)
}
