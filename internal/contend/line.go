package contend

import (
	"context"
	"slices"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/internal/telemetry"
)

// lines are the lines of one session.
type lines struct {
	mu sync.Mutex // also guards what is in the lines
	m  map[lineKey]*line
}

// lineKey finds a line among those of a session.
type lineKey struct {
	dir     string
	dialect seqnode.Dialect
}

// line holds the places of one session in one queue, from before they are created until their turn. Only the first place that waits asks the
// servers for its turn. The turn of the others comes later, so they wait in the process, without a list and without watches.
type line struct {
	*lines
	key    lineKey
	users  int      // places that are being created or are waiting; a line without users is removed
	places []*Place // those that wait, in the order of the queue
	holder *Place   // the place granted last, while it can have an heir; nil for none

	begun  int     // number of requested lists
	latest *listed // the newest of them; nil before the first
}

// listed is the queue as a list has shown it.
type listed struct {
	number int // number of the list, counted from 1; 0 for a list that was sent behind the create of a place
	on     int // the connection of the reply; 0 if not known
	total  int // how many children it had
	order  []seqnode.Name
	plain  bool // every two of order are in the order of seqnode.Compare
}

// inLine reports whether places of the queue wait in a line.
func (q Queue) inLine() bool { return q.Strict && len(q.Twins) == 0 }

// line returns the session's line of the queue for a place that is about to be created and must leave the line in the
// end. It returns nil if the queue is not Strict. crowded means that the place will probably wait behind other places
// of the session.
func (q Queue) line(s *framework.Session) (l *line, crowded bool) {
	if !q.inLine() {
		return nil, false
	}
	all := recipekit.Attached(s, lineKey{}, func() any { return &lines{m: make(map[lineKey]*line)} }).(*lines)
	all.mu.Lock()
	defer all.mu.Unlock()
	key := lineKey{q.Dir, q.Dialect}
	if l = all.m[key]; l == nil {
		l = &line{lines: all, key: key}
		all.m[key] = l
	}
	l.users++
	return l, l.holder != nil || len(l.places) > 0 || l.users > 2
}

// join adds a created place to those that wait.
func (l *line) join(p *Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.first, p.turn, p.since = make(chan struct{}), make(chan struct{}, 1), l.begun
	at, _ := slices.BinarySearchFunc(l.places, p, func(a, b *Place) int { return seqnode.Compare(a.name(), b.name()) })
	l.places = slices.Insert(l.places, at, p)
	l.wake()
}

// wake lets the first place continue, unless it is an heir. A place that was woken before is not stopped if another one
// is inserted ahead of it.
func (l *line) wake() {
	if len(l.places) == 0 || l.places[0].follows(l.holder) {
		return
	}
	select {
	case <-l.places[0].first:
	default:
		close(l.places[0].first)
	}
}

// granted removes a place whose turn has come from those that wait. on is the connection on which it was seen that no
// node ahead exists; 0 if not known.
func (l *line) granted(p *Place, on int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on != 0 && l.latest != nil && l.latest.on == on {
		l.latest = l.latest.from(p.name())
	}
	if p.queue.heirs {
		l.holder = p
	}
	l.drop(p)
}

// drop removes a place from those that wait. The mutex is held.
func (l *line) drop(p *Place) {
	l.places = slices.DeleteFunc(l.places, func(o *Place) bool { return o == p })
	l.wake()
}

// leave removes a place from the line. p is nil if the place was not created, and l is nil if there is no line.
func (l *line) leave(p *Place) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(p)
	l.users--
	l.tidy()
}

// await returns when the place is the first of the line, or, as an heir, when its turn has come.
func (l *line) await(ctx context.Context, p *Place) (turn bool, err error) {
	select {
	case <-p.first:
		return false, nil
	default:
	}
	previous, ahead := l.ahead(p)
	before := previous.node.Path
	p.reportWaiting(before, previous.queue.Data, ahead)
	telemetry.Rank(ctx, ahead, before)
	select {
	case <-p.first:
		return false, nil
	case <-p.turn:
		return true, nil
	case <-p.session.Done():
		return false, p.waited(before, p.session.Err())
	case <-ctx.Done():
		return false, p.waited(before, context.Cause(ctx))
	}
}

// ahead returns the place before p in the line, and a lower bound of the number of places ahead of p: those
// in the line and those ahead of the first one.
func (l *line) ahead(p *Place) (before *Place, ahead int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.places, p)
	return l.places[max(0, at-1)], at + int(l.places[0].known.Load())
}

// now returns the number of the latest requested list.
func (l *line) now() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

// list returns a list that was requested after the list with that number: the latest one if possible, or a new one.
func (l *line) list(ctx context.Context, p *Place, after int) (*listed, error) {
	if found := l.recent(p, after); found != nil {
		return found, nil
	}
	on, number := recipekit.Connection(p.session), l.next()
	names, _, err := p.session.Children(ctx, p.queue.Dir)
	if err != nil {
		return nil, err
	}
	found := p.queue.listed(names, number, p.stable(on))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latest == nil || l.latest.number < number {
		l.latest = found
	}
	return found, nil
}

// recent returns the latest list if it was requested after the one with that number and answered on the current
// connection; otherwise nil.
func (l *line) recent(p *Place, after int) *listed {
	on := recipekit.Connection(p.session)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.latest == nil || l.latest.number <= after || l.latest.on != on {
		return nil
	}
	return l.latest
}

// next returns the number for a list that is about to be requested.
func (l *line) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun++
	return l.begun
}

// stable returns the number of the connection if it is still the current one, otherwise 0.
func (p *Place) stable(on int) int {
	if recipekit.Connection(p.session) != on {
		return 0
	}
	return on
}

// listed orders the names of a list.
func (q Queue) listed(names []string, number, on int) *listed {
	l := &listed{number: number, on: on, total: len(names), order: q.arrange(names)}
	if n := len(l.order); n > 0 {
		l.plain = l.order[n-1].Seq-l.order[0].Seq >= 0 // wraps as the servers' counter does
	}
	return l
}

// from returns the list without the names ahead of own.
func (l *listed) from(own seqnode.Name) *listed {
	at := slices.Index(l.order, own)
	if !l.plain || at < 0 {
		return l
	}
	rest := *l
	rest.order = l.order[at:]
	return &rest
}

// before returns the names ahead of own, in order, and whether own is in the list.
func (l *listed) before(own seqnode.Name) (ahead []seqnode.Name, found bool) {
	at := slices.Index(l.order, own)
	switch {
	case at < 0:
		return nil, false
	case l.plain:
		return slices.Clone(l.order[:at]), true
	}
	return seqnode.Before(l.order, own), true
}
