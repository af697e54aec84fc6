package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
)

// groupPart is a group that clients join and leave, and that others watch.
type groupPart struct {
	*base
	hist     *history
	members  []*joining
	watchers []*watching
}

func drawGroup(b *base) part { return &groupPart{base: b} }

func (g *groupPart) open() error {
	g.hist = g.w.follow(g.path)
	return nil
}

func (g *groupPart) judge() error { return nil }

func (g *groupPart) grants() int { return len(g.hist.paths()) }

func (g *groupPart) join(client int, cli *framework.Client) error {
	for i := range 1 + g.r.IntN(2) {
		j := &joining{user: g.newUser(client, cli, fmt.Sprint("member ", i)), id: fmt.Sprintf("m%d-%d", client, i)}
		g.members = append(g.members, j)
		g.users.Go(j.work)
	}
	u := g.newUser(client, cli, "watcher")
	wt := &watching{user: u, part: g, seen: make(map[string]int64)}
	g.watchers = append(g.watchers, wt)
	g.tail.Go(wt.work)
	return nil
}

// joining is a member, again and again.
type joining struct {
	*user
	id   string
	sets int

	mu     sync.Mutex
	data   string
	keeper *node.Keeper
}

func (j *joining) work() {
	j.during(func() { j.once(j.upTo(2*j.Timeout) > j.Timeout/2) })
	if j.current() == nil {
		j.enter(j.ctx)
	}
	<-j.ctx.Done()
	j.leave(j.late)
}

func (j *joining) current() *node.Keeper {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.keeper
}

func (j *joining) once(stays bool) {
	if j.current() == nil {
		ctx, cancel := j.bounded()
		j.enter(ctx)
		cancel()
	}
	j.pause(j.ctx, j.upTo(j.Timeout))
	if k := j.current(); k != nil && j.may("Set", 2) {
		j.next()
		if err := k.Set(j.ctx, []byte(j.data)); err != nil && j.ctx.Err() == nil {
			j.say("set: %w", err)
		}
	}
	if !stays && j.may("Close", 2) {
		j.leave(j.ctx)
	}
}

func (j *joining) next() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sets++
	j.data = fmt.Sprintf("%s %d", j.id, j.sets)
}

func (j *joining) enter(ctx context.Context) {
	j.plays("Join")
	j.next()
	var opts []node.Option
	if j.may("Replace", 3) {
		opts = append(opts, node.Replace())
	}
	k, err := node.Join(ctx, j.cli, j.own(j.path), j.id, []byte(j.data), opts...)
	if err != nil {
		if ctx.Err() == nil {
			j.say("join: %w", err)
		}
		j.pause(ctx, j.upTo(j.Timeout/4))
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keeper = k
}

func (j *joining) leave(ctx context.Context) {
	k := j.current()
	if k == nil {
		return
	}
	if err := k.Close(ctx); err != nil && ctx.Err() == nil {
		j.say("leave: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keeper = nil
}

// watching follows the group, and looks at it now and then.
type watching struct {
	*user
	part *groupPart
	seen map[string]int64 // mzxid that was seen last, by member

	mu   sync.Mutex
	last node.Group
}

func (w *watching) work() {
	w.tail.Go(w.look)
	w.plays("WatchMembers")
	for g := range node.WatchMembers(w.late, w.cli, w.own(w.path)) {
		w.heard()
		if g.Err != nil {
			w.say("WatchMembers: %w", g.Err)
		}
		for _, m := range g.Members {
			w.mustHaveBeen(m)
			if m.Stat.Mzxid < w.seen[m.ID] {
				w.say("WatchMembers: %s as of %#x behind %#x", m.ID, m.Stat.Mzxid, w.seen[m.ID])
			}
			w.seen[m.ID] = m.Stat.Mzxid
		}
		w.mu.Lock()
		w.last = g
		w.mu.Unlock()
	}
}

// look asks for the members, until there is calm.
func (w *watching) look() {
	u := w.part.newUser(w.client, w.cli, "looker")
	for !u.isCalm() && u.ctx.Err() == nil {
		u.pause(u.ctx, u.upTo(2*u.Timeout))
		if !u.may("Members", 3) {
			continue
		}
		list, err := node.Members(u.ctx, u.cli, u.own(u.path))
		for _, m := range list {
			w.mustHaveBeen(m)
		}
		if err != nil && errors.Is(err, framework.ErrClosed) {
			u.say("Members: %w", err)
		}
	}
}

// mustHaveBeen checks that a member once was what it is said to be.
func (w *watching) mustHaveBeen(m node.Member) {
	s, ok := w.part.hist.find(w.path+"/"+m.ID, m.Stat.Mzxid)
	if m.Err == nil && (!ok || s.data != string(m.Data)) {
		w.say("member %s is %q as of %#x, and was %v", m.ID, m.Data, m.Stat.Mzxid, s)
	}
}

// settled: everybody is a member, with the payload that was set last, and everybody sees so.
func (g *groupPart) settled() {
	want := make(map[string]string)
	for _, j := range g.members {
		j.mu.Lock()
		want[j.id] = j.data
		if j.keeper == nil || !j.keeper.Standing().Stands {
			j.say("is no member although all is calm")
		}
		j.mu.Unlock()
	}
	for _, w := range g.watchers {
		w.mu.Lock()
		last := w.last
		w.mu.Unlock()
		got := make(map[string]string)
		for _, m := range last.Members {
			got[m.ID] = string(m.Data)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			w.say("sees %v, and the members are %v", got, want)
		}
	}
}

// rested: everybody has left, and everybody sees so.
func (g *groupPart) rested() {
	for _, w := range g.watchers {
		w.mu.Lock()
		if len(w.last.Members) > 0 {
			w.say("all have left, and it sees %v", w.last.Members)
		}
		w.mu.Unlock()
	}
}
