package sim

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
)

// bystander watches a client whatever its users do: several subscribers of its states, of which one is slow, and its log.
type bystander struct {
	name  string
	cli   *framework.Client
	lines lineCounter

	mu   sync.Mutex
	seen [2][]framework.StateChange
}

// bystand watches the clients of a play.
func (p *Play) bystand(cli *framework.Client, b *bystander, client int) {
	b.cli = cli
	r := p.w.Rand("subscriber of " + b.name)
	for n := range b.seen {
		states := cli.States(p.late)
		p.tail.Go(func() {
			for s := range states {
				p.hands[client].listeners.pass(nil)
				b.mu.Lock()
				b.seen[n] = append(b.seen[n], s)
				b.mu.Unlock()
				if n == 1 && !p.isCalm() {
					time.Sleep(time.Duration(r.Int64N(int64(p.Timeout))))
				}
			}
		})
	}
}

// settled: all is well, and the client says so.
func (b *bystander) settled(p *Play) {
	if h := b.cli.Health(); !p.unwell && (!h.Ready() || !h.Live()) {
		p.fail(fmt.Errorf("%s is not well although all is calm: %v", b.name, h))
	}
}

// rested: nobody uses the client any more, and nothing runs on it.
func (b *bystander) rested(p *Play) {
	for _, r := range b.cli.Recipes() {
		p.fail(fmt.Errorf("%s: nobody uses anything, and %s %s is still running: %v", b.name, r.Name, r.Path, r.Status))
	}
}

// judge: both have seen the same, change by change, each of which begins where the one before ended.
func (b *bystander) judge(p *Play) error {
	if !slices.EqualFunc(b.seen[0], b.seen[1], func(x, y framework.StateChange) bool { return fmt.Sprint(x) == fmt.Sprint(y) }) {
		return fmt.Errorf("%s: one subscriber saw\n\t%v\nand another one\n\t%v", b.name, b.seen[0], b.seen[1])
	}
	if p.movesOnly() {
		if err := b.unmoved(); err != nil {
			return err
		}
	}
	for i, s := range b.seen[0] {
		if i > 0 && (s.Previous != b.seen[0][i-1].State || s.Epoch < b.seen[0][i-1].Epoch || s.Time.Before(b.seen[0][i-1].Time)) {
			return fmt.Errorf("%s: %v follows %v", b.name, s, b.seen[0][i-1])
		}
	}
	if n, most := b.lines.count(), 20+4*(len(p.Faults)+len(b.seen[0]))+2*p.terms(); n > most {
		return fmt.Errorf("%s has logged %d lines, more than %d:\n%v", b.name, n, most, b.lines.last)
	}
	return nil
}

// terms counts the terms of all leaders, whose beginning and end are logged.
func (p *Play) terms() int {
	n := 0
	for i, name := range p.Roles {
		if name == "election" {
			n += p.parts[i].grants()
		}
	}
	return n
}

// lineCounter is a slog.Handler that counts.
type lineCounter struct {
	gate *gate

	mu   sync.Mutex
	n    int
	last []string
}

func (l *lineCounter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// Enabled: lines for operators are counted, those of the driver are not.
func (l *lineCounter) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

// Handle counts a line, and keeps the latest.
func (l *lineCounter) Handle(_ context.Context, r slog.Record) error {
	l.gate.pass(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Message == "value rejected" { // one for each state of a node, and one for each call that opens it
		return nil
	}
	l.n++
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.String()
		return true
	})
	l.last = append(l.last[max(0, len(l.last)-50):], text)
	return nil
}

// WithAttrs and WithGroup: they count all the same.
func (l *lineCounter) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is part of slog.Handler.
func (l *lineCounter) WithGroup(string) slog.Handler { return l }
