package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Ledger keeps who held one thing, and when. It may be used by many goroutines.
type Ledger struct {
	what  string
	start time.Time

	mu      sync.Mutex
	tenures []*Tenure
	excused map[int64]time.Duration // by token
}

// Tenure is the time in which somebody believed to hold something.
type Tenure struct {
	Who      string
	Token    int64
	From, To time.Duration // To is 0 while it goes on
	Cause    error         // of its end
}

// String shows the tenure in one line.
func (t Tenure) String() string {
	return fmt.Sprintf("%s, token %#x: %v to %v (%v)", t.Who, t.Token, t.From, t.To, t.Cause)
}

// NewLedger returns an empty ledger. what names the thing in errors.
func (w *World) NewLedger(what string) *Ledger {
	return &Ledger{what: what, start: w.start, excused: make(map[int64]time.Duration)}
}

// Begin notes a tenure, which ends with ctx.
func (l *Ledger) Begin(ctx context.Context, who string, token int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &Tenure{Who: who, Token: token, From: time.Since(l.start)}
	l.tenures = append(l.tenures, t)
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		t.To, t.Cause = time.Since(l.start), context.Cause(ctx)
	})
}

// Excuse says that the node with a token has just been taken away by force: the tenure that hangs on it does not count from
// now on, as its holder cannot know yet.
func (l *Ledger) Excuse(token int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.excused[token]; !known {
		l.excused[token] = time.Since(l.start)
	}
}

// Tenures returns a copy of all tenures in the order of their beginning.
func (l *Ledger) Tenures() []Tenure {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Tenure, len(l.tenures))
	for i, t := range l.tenures {
		list[i] = *t
	}
	slices.SortStableFunc(list, func(a, b Tenure) int { return cmp.Compare(a.From, b.From) })
	return list
}

// Held counts the tenures that go on.
func (l *Ledger) Held() int {
	n := 0
	for _, t := range l.Tenures() {
		if t.To == 0 {
			n++
		}
	}
	return n
}

// Judge returns everything in the ledger that must not be.
func (l *Ledger) Judge() error {
	list := l.counting()
	var errs []error
	for i := range list {
		for j := range i {
			if overlap(list[j], list[i]) {
				errs = append(errs, fmt.Errorf("%s is held twice:\n\t%v\n\t%v", l.what, list[j], list[i]))
			}
			if list[j].Token >= list[i].Token {
				errs = append(errs, fmt.Errorf("%s: the token does not grow:\n\t%v\n\t%v", l.what, list[j], list[i]))
			}
		}
	}
	return errors.Join(errs...)
}

// counting returns the tenures that count, cut off where they were ended by force.
func (l *Ledger) counting() []Tenure {
	var list []Tenure
	for _, t := range l.Tenures() {
		l.mu.Lock()
		at, excused := l.excused[t.Token]
		l.mu.Unlock()
		if excused && at <= t.From {
			continue
		}
		if excused && (t.To == 0 || at < t.To) {
			t.To = at
		}
		list = append(list, t)
	}
	return list
}

// overlap reports whether two tenures, of which a began first, share more than an instant.
func overlap(a, b Tenure) bool {
	return (a.To == 0 || a.To > b.From) && (b.To == 0 || b.To > b.From)
}
