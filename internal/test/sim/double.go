package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// doublePart is a double barrier with one member on each client. They go through it together, round by round.
type doublePart struct {
	*base
	members []*entrant

	mu       sync.Mutex
	ids      map[string]int // nodes in the barrier, by the id of their member
	peak     int            // most members that were there since the sign was removed last
	former   int            // the same before that
	removed  int64          // transaction that removed it
	failures []error
}

func drawDouble(b *base) part { return &doublePart{base: b, ids: make(map[string]int)} }

func (d *doublePart) open() error {
	d.w.Log.observe(d.look)
	return nil
}

func (d *doublePart) rested() {}

func (d *doublePart) join(client int, cli *framework.Client) error {
	u := d.newUser(client, cli, "member")
	m := &entrant{user: u, part: d, double: barrier.NewDouble(cli, u.own(d.path), d.Clients, barrier.WithID(fmt.Sprint("m", client)))}
	u.plays("WithID")
	d.mu.Lock()
	d.members = append(d.members, m)
	d.mu.Unlock()
	d.users.Go(m.work)
	return nil
}

// look follows the barrier on the server. It is open when the sign is created: then all must have been there, and nobody may
// be left inside whom an earlier round has let in.
func (d *doublePart) look(c zktest.Change) {
	dir, name := framework.Split(c.Path)
	if dir != d.path {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := name[strings.LastIndex(name, "-")+1:]
	switch {
	case name != "ready" && c.Event == zktest.EventCreated:
		d.ids[id]++
		d.peak = max(d.peak, len(d.ids))
	case name != "ready" && c.Event == zktest.EventDeleted:
		if d.ids[id]--; d.ids[id] == 0 {
			delete(d.ids, id)
		}
	case name == "ready" && c.Event == zktest.EventDeleted:
		d.former, d.peak, d.removed = d.peak, len(d.ids), c.Zxid
	case name == "ready" && c.Event == zktest.EventCreated:
		d.opened(c)
	}
}

func (d *doublePart) opened(c zktest.Change) {
	peak := d.peak
	if c.Zxid == d.removed { // a sign without members was replaced by whoever found all there before that
		peak = max(peak, d.former)
	}
	if peak < d.Clients {
		d.failures = append(d.failures, fmt.Errorf("%s was opened (%#x) for %d of %d members", d.path, c.Zxid, peak, d.Clients))
	}
	for _, m := range d.members {
		if in := m.inside(); in != nil && d.w.Log.stands(in.path, in.czxid) {
			d.failures = append(d.failures, fmt.Errorf("%s was opened (%#x) while %s is inside since %v", d.path, c.Zxid, m.name, in.from))
		}
	}
}

// settled: since there is calm everybody has been through the barrier.
func (d *doublePart) settled() {
	for _, m := range d.members {
		if m.rounds() == 0 {
			m.say("has not been through the barrier although all is calm; there are %v", d.w.Queue(d.path))
		}
	}
}

// judge: nobody came out while somebody else was inside.
func (d *doublePart) judge() error {
	d.mu.Lock()
	errs := append([]error(nil), d.failures...)
	d.mu.Unlock()
	for _, m := range d.members {
		for _, out := range m.stays {
			for _, other := range d.members {
				for _, in := range other.stays {
					if out.ok && in.from <= out.leaving && in.leaving > out.to && d.stoodAt(in, out.to) {
						errs = append(errs, fmt.Errorf("%s came out at %v while %s was inside since %v", m.name, out.to, other.name, in.from))
					}
				}
			}
		}
	}
	return errors.Join(errs...)
}

func (d *doublePart) grants() int {
	n := 0
	for _, m := range d.members {
		n += len(m.stays)
	}
	return n
}

// stoodAt reports whether the node of somebody inside stood at a time.
func (d *doublePart) stoodAt(s stay, at time.Duration) bool {
	for _, life := range d.w.Log.Created(d.path, s.czxid) {
		return !life.Dead || life.Died > at
	}
	return false
}

// entrant goes through the barrier again and again.
type entrant struct {
	*user
	part   *doublePart
	double *barrier.Double

	mu    sync.Mutex
	stays []stay
	in    *stay // nil outside
	calm  int   // rounds since there is calm
}

// stay is one time inside the barrier.
type stay struct {
	path    string
	czxid   int64
	from    time.Duration // Enter returned
	leaving time.Duration // Leave was called
	to      time.Duration // Leave returned
	ok      bool          // with nil
}

// inside returns the current stay, or nil. A member that is leaving has none.
func (m *entrant) inside() *stay {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.in
}

func (m *entrant) rounds() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calm
}

func (m *entrant) work() {
	for m.ctx.Err() == nil {
		m.once()
		d := 10*time.Millisecond + m.upTo(m.Timeout/8)
		if m.isCalm() {
			d = 2 * m.Timeout
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-m.ctx.Done():
			t.Stop()
		}
	}
}

// once is one round, or an attempt at it.
func (m *entrant) once() {
	calm := m.isCalm()
	ctx, cancel := context.WithCancel(m.ctx)
	if !calm {
		ctx, cancel = m.bounded()
	}
	defer cancel()
	e, err := m.double.Enter(ctx)
	if err != nil {
		m.compare("enter", ctx, err)
		return
	}
	m.enter(e)
	m.pause(e.Context(), m.upTo(m.Timeout))
	m.mu.Lock()
	s := *m.in
	s.leaving, m.in = m.w.Now(), nil
	m.mu.Unlock()
	err = e.Leave(m.ctx)
	s.to, s.ok = m.w.Now(), err == nil
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stays = append(m.stays, s)
	if err == nil && calm {
		m.calm++
	}
	if err != nil {
		m.compare("leave", m.ctx, err)
	}
}

// enter notes that Enter has returned. There must have been a sign since this member was there.
func (m *entrant) enter(e *barrier.Entered) {
	s := &stay{path: m.abroad(e.Path()), from: m.w.Now()}
	signed := false
	for _, life := range m.w.Log.Dir(m.part.path) {
		switch {
		case life.Path == s.path:
			s.czxid = life.Czxid
		case life.Path == m.part.path+"/ready":
			signed = signed || s.czxid != 0 || !life.Dead
		}
	}
	if !signed {
		m.say("was let in without a sign")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in = s
}

// compare judges an error of Enter or Leave.
func (m *entrant) compare(what string, ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil, errors.Is(err, framework.ErrSessionLost), errors.Is(err, barrier.ErrDeleted):
	default:
		m.say("%s: %w", what, err)
	}
}
