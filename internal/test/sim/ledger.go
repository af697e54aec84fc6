package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/seqnode"
)

// Ledger keeps who held one thing, and when. It may be used by many goroutines.
type Ledger struct {
	dir   string // directory of the queue nodes
	log   *Log
	start time.Time

	mu      sync.Mutex
	tenures []*Tenure
}

// Tenure is the time in which somebody believed to hold something.
type Tenure struct {
	Who      string
	Token    int64
	Node     int64         // transaction that created its node
	From, To time.Duration // To is 0 while it goes on
	Cause    error         // of its end
	Reads    bool          // it may overlap with others that read
	GoesOn   bool          // the one before it had the same token: a downgrade, or a transfer that failed
	Permits  int           // how many it takes; 0 if it takes the whole
	Limit    int           // the most permits that there were while it waited
}

// String shows the tenure in one line.
func (t Tenure) String() string {
	return fmt.Sprintf("%s, token %#x: %v to %v (%v)", t.Who, t.Token, t.From, t.To, t.Cause)
}

// NewLedger returns an empty ledger for the lock whose queue is a directory.
func (w *World) NewLedger(dir string) *Ledger {
	return &Ledger{dir: dir, log: w.Log, start: w.start}
}

// Begin notes a tenure of the whole, which ends with ctx. Its token is that of its node.
func (l *Ledger) Begin(ctx context.Context, who string, token int64) {
	l.begin(ctx, Tenure{Who: who, Token: token, Node: seqnode.Czxid(token)})
}

// begin notes a tenure.
func (l *Ledger) begin(ctx context.Context, t Tenure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.From = time.Since(l.start)
	l.tenures = append(l.tenures, &t)
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		t.To, t.Cause = time.Since(l.start), context.Cause(ctx)
	})
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

// Judge returns everything in the ledger that must not be.
func (l *Ledger) Judge() error {
	var errs []error
	var j judge
	for _, t := range l.counting() {
		errs = append(errs, j.next(t), l.outlived(t))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s:\n%w", l.dir, err)
	}
	return nil
}

// judge goes through tenures in the order of their beginning.
type judge struct {
	alone, reading bound    // of those before
	permits        []Tenure // that may still be held
}

// bound is how far the tenures of one kind reach.
type bound struct {
	last   Tenure // that ended last, or has not ended
	newest Tenure // with the largest token
}

func (b *bound) add(t Tenure) {
	if b.last.To != 0 && (t.To == 0 || t.To > b.last.To) || b.last.Who == "" {
		b.last = t
	}
	if t.Token >= b.newest.Token {
		b.newest = t
	}
}

// next compares a tenure with those before.
func (j *judge) next(t Tenure) error {
	if t.Permits > 0 {
		return j.full(t)
	}
	err := j.alone.compare(t)
	if t.Reads {
		j.reading.add(t)
		return err
	}
	err = errors.Join(err, j.reading.compare(t))
	j.alone.add(t)
	return err
}

// compare judges a tenure behind others that it must not overlap with.
func (b *bound) compare(t Tenure) error {
	switch {
	case b.last.Who == "":
		return nil
	case overlap(b.last, t):
		return fmt.Errorf("held twice:\n\t%v\n\t%v", b.last, t)
	case b.newest.Token > t.Token, b.newest.Token == t.Token && !t.GoesOn:
		return fmt.Errorf("the token does not grow:\n\t%v\n\t%v", b.newest, t)
	}
	return nil
}

// full returns an error if more permits are held when t begins than there were.
func (j *judge) full(t Tenure) error {
	j.permits = append(slices.DeleteFunc(j.permits, func(other Tenure) bool { return other.To != 0 && other.To <= t.From }), t)
	held, limit := 0, 0
	for _, other := range j.permits {
		held += other.Permits
		limit = max(limit, other.Limit)
	}
	if held > limit {
		return fmt.Errorf("%d permits of %d are held when this begins:\n\t%v", held, limit, t)
	}
	return nil
}

// outlived returns an error if t went on behind the end of its session, which the servers had let expire in time.
func (l *Ledger) outlived(t Tenure) error {
	for _, life := range l.log.Created(l.dir, t.Node) {
		if life.Ending && !life.Forced && (t.To == 0 || t.To > life.Died) {
			return fmt.Errorf("held beyond the end of its session at %v:\n\t%v", life.Died, t)
		}
	}
	return nil
}

// counting returns the tenures that count, cut off where their nodes were taken away by force, which their holders could not
// know yet.
func (l *Ledger) counting() []Tenure {
	var list []Tenure
	for _, t := range l.Tenures() {
		at, forced := l.log.ForcedAt(l.dir, t.Node)
		if forced && at <= t.From {
			continue
		}
		if forced && (t.To == 0 || at < t.To) {
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
