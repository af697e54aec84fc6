package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// electionPart is one election: some stand in it by Run, some by Campaign, some only look.
type electionPart struct {
	contest
	observers []*observing
}

func drawElection(b *base) part {
	return &electionPart{contest: contest{base: b, dirs: []string{b.path}}}
}

func (e *electionPart) join(client int, cli *framework.Client) error {
	for i := range 1 + e.r.IntN(2) {
		u := e.newUser(client, cli, fmt.Sprint("candidate ", i))
		c := &candidate{user: u, contest: &e.contest, election: leader.New(cli, u.own(e.path), u.leaderOptions()...)}
		if u.oneOf("Run", "Campaign") == "Run" {
			e.users.Go(c.run)
		} else {
			e.users.Go(c.campaign)
		}
	}
	if u := e.newUser(client, cli, "observer"); u.may("Observe", 2) {
		o := &observing{user: u, dir: e.path}
		e.observers = append(e.observers, o)
		e.tail.Go(o.look)
	}
	return nil
}

// leaderOptions draws the names of nodes and what happens on SUSPENDED.
func (u *user) leaderOptions() []leader.Option {
	opts := []leader.Option{leader.WithID(u.name)}
	switch u.oneOf("Selector", "Shared", "", "") {
	case "Selector":
		opts = append(opts, leader.Selector())
	case "Shared":
		opts = append(opts, leader.Shared())
	}
	switch u.oneOf("Hold", "Hold with grace", "") {
	case "Hold":
		opts = append(opts, leader.Hold(0))
	case "Hold with grace":
		opts = append(opts, leader.Hold(u.Timeout/time.Duration(1+u.r.IntN(8))))
	}
	if u.may("WithACL", 8) {
		opts = append(opts, leader.WithACL(framework.OpenACL()))
	}
	return opts
}

// candidate stands in the election again and again.
type candidate struct {
	*user
	contest  *contest
	election *leader.Election
	leading  bool // a function of Run is running
	last     grip // of the function that ran last
}

// run stands by Run. Once there is calm it leads one last time.
func (c *candidate) run() {
	c.during(func() {
		ctx, cancel := c.bounded()
		defer cancel()
		c.check(ctx, c.election.Run(ctx, c.lead))
		c.pause(ctx, c.upTo(20*time.Millisecond))
	})
	c.check(c.ctx, c.election.Run(c.ctx, func(ctx context.Context, t *leader.Term) error {
		c.contest.begin(c.user, c.mandate(ctx, t))
		return nil
	}))
}

// check judges what Run has returned.
func (c *candidate) check(ctx context.Context, err error) {
	if c.leading {
		c.say("Run has returned, and its function has not")
	}
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return
	}
	c.say("Run: %w", err)
}

// lead is the leader function.
func (c *candidate) lead(ctx context.Context, t *leader.Term) error {
	if c.leading {
		c.say("leads twice")
	}
	c.leading = true
	defer func() { c.leading = false }()
	g := c.mandate(ctx, t)
	c.contest.begin(c.user, g)
	c.contest.hold(c.user, g)
	switch c.oneOf("Resign in Run", "ResignTo in Run", "", "", "", "") {
	case "Resign in Run":
		_ = t.Resign(ctx) // it may have been lost: the ledger knows
	case "ResignTo in Run":
		if id, ok := c.somebody(ctx); ok {
			_ = t.ResignTo(ctx, id)
		}
	default:
		if oneIn(c.r, 4) {
			c.pause(ctx, 2*c.Timeout)
		}
	}
	return nil
}

// mandate is a term of Run as a grip, which Run releases. When a transfer fails the function is called again with the same token.
func (c *candidate) mandate(ctx context.Context, t *leader.Term) *grip {
	g := c.term(t)
	g.ctx, g.release = ctx, nil
	g.goesOn = c.led(g)
	c.last = *g
	return g
}

// led reports whether the term before this one had the same token: a transfer has failed.
func (c *candidate) led(g *grip) bool {
	return len(c.last.tokens) > 0 && c.last.tokens[0] == g.tokens[0]
}

func (c *candidate) term(t *leader.Term) *grip {
	return &grip{
		ctx: t.Context(), dirs: []string{c.path}, tokens: []int64{t.Token()}, paths: []string{t.Path()},
		set: func(ctx context.Context, path string, data []byte) error {
			_, err := t.Set(ctx, path, data, framework.AnyVersion)
			return err
		},
		release: t.Resign,
	}
}

// somebody draws a participant.
func (c *candidate) somebody(ctx context.Context) (id string, ok bool) {
	if c.may("Leader", 3) {
		if p, err := c.election.Leader(ctx); err == nil && !c.contest.everFirst(seqnode.Czxid(p.Token)) {
			c.say("Leader says %#x, which was never first", p.Token)
		}
	}
	list, err := c.election.Participants(ctx)
	if err != nil || len(list) == 0 {
		return "", false
	}
	return list[c.r.IntN(len(list))].ID, true
}

// campaign stands by Campaign, and resigns, or resigns in favour of somebody.
func (c *candidate) campaign() {
	c.contest.contend(c.user, func(ctx context.Context, try bool) (*grip, error) {
		if try { // an election has no try
			return nil, lock.ErrLocked
		}
		t, err := c.election.Campaign(ctx)
		if err != nil {
			return nil, err
		}
		if !c.isCalm() && c.may("ResignTo", 3) && c.transfer(t) {
			return nil, lock.ErrLocked
		}
		if c.last.ctx == t.Context() { // the transfer failed before anything was done
			return &c.last, nil
		}
		g := c.term(t)
		g.goesOn = c.led(g)
		return g, nil
	})
}

// transfer leads for a while and resigns in favour of somebody. It reports whether somebody else may lead now; otherwise the
// term goes on, unless it had ended before.
func (c *candidate) transfer(t *leader.Term) bool {
	g := c.term(t)
	c.contest.begin(c.user, g)
	c.last = *g
	c.pause(g.ctx, c.upTo(c.Timeout/2))
	ctx, cancel := c.bounded()
	defer cancel()
	id, ok := c.somebody(ctx)
	if !ok {
		return false
	}
	called := c.w.Now()
	if err := t.ResignTo(ctx, id); err != nil {
		return false
	}
	for _, life := range c.contest.now(g) {
		next, ok := c.w.Log.First(c.path, life.Dzxid)
		switch {
		case !life.Released(called):
			c.say("resigned in favour of %q at %v with the result nil, and this became of the node: %s", id, called, life)
		case !ok || next.Data != id:
			c.say("resigned in favour of %q, and then the leader was %q", id, next.Data)
		}
	}
	return true
}

// observing looks at who leads.
type observing struct {
	*user
	dir string

	mu   sync.Mutex
	seen []sighting
}

// sighting is what an observer was told, and when.
type sighting struct {
	leader.Participant
	at time.Duration
}

func (o *observing) look() {
	seen := leader.New(o.cli, o.own(o.dir)).Observe(o.late)
	for p := range seen.C {
		o.heard()
		o.mu.Lock()
		o.seen = append(o.seen, sighting{p, o.w.Now()})
		o.mu.Unlock()
	}
	if o.late.Err() == nil {
		o.say("Observe: %w", seen.Err())
	}
}

// list is what was seen so far.
func (o *observing) list() []sighting {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.seen)
}

// rested: nobody leads any more, and the observers know.
func (e *electionPart) rested() {
	for _, o := range e.observers {
		if list := o.list(); len(list) == 0 || !list[len(list)-1].IsNobody() {
			o.say("nobody leads, and what was seen last is another state: %v", list[max(0, len(list)-1):])
		}
	}
}

// judge: each observer saw leaders that were first in the queue at some time, in the order in which they were.
func (e *electionPart) judge() error {
	errs := []error{e.contest.judge()}
	for _, o := range e.observers {
		newest, before := int64(0), sighting{}
		for i, p := range o.list() {
			switch {
			case p.IsNobody():
				if i > 0 && before.IsNobody() {
					errs = append(errs, fmt.Errorf("%s was told twice that nobody leads", o.name))
				}
				if !e.empty(before.at, p.at) {
					errs = append(errs, fmt.Errorf("%s was told at %v that nobody leads, and somebody did since %v", o.name, p.at, before.at))
				}
			case p.Token <= newest:
				errs = append(errs, fmt.Errorf("%s saw %#x behind %#x", o.name, p.Token, newest))
			case !e.everFirst(seqnode.Czxid(p.Token)):
				errs = append(errs, fmt.Errorf("%s saw %#x lead, which was never first", o.name, p.Token))
			default:
				newest = p.Token
			}
			before = p
		}
	}
	return errors.Join(errs...)
}

// empty reports whether there was a moment in that time in which nobody stood in the queue.
func (e *electionPart) empty(from, to time.Duration) bool {
	for _, life := range e.w.Log.Dir(e.path) {
		switch {
		case life.Dead && life.Died < from:
		case life.Born >= from:
			return from <= to
		case !life.Dead:
			return false
		default:
			from = life.Died
		}
	}
	return from <= to
}

// everFirst reports whether a node was the first of the queue at some time.
func (c *contest) everFirst(czxid int64) bool {
	ahead := int64(0) // the transaction that removed the last of those ahead
	for _, life := range c.w.Log.Dir(c.path) {
		switch {
		case life.Czxid < czxid && !life.Dead:
			return false
		case life.Czxid < czxid:
			ahead = max(ahead, life.Dzxid)
		case life.Czxid == czxid && (!life.Dead || life.Dzxid > ahead): // it may have several nodes
			return true
		}
	}
	return false
}
