//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/histories"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/node"
)

// The names of the recipes that are no contests, and their paths.
const (
	roleObserver  = "observer"
	roleKept      = "kept-node"
	roleGroup     = "group"
	roleGate      = "barrier"
	roleDouble    = "double-barrier"
	roleCounter   = "counter"
	roleCache     = "cache"
	roleDiscovery = "discovery"

	servicesPath = "/services"
	serviceName  = "chaos"
)

// others are the recipes that exclude nobody.
func (w *worker) others() []*part {
	list := []*part{
		w.observer(), w.keeper(), w.member(), w.double(), w.count(), w.mirror(), w.service(),
		{name: roleGate, actors: 1, round: func(ctx context.Context, a *actor) Nanos { return a.passGate(ctx) }},
	}
	if w.ID == 0 {
		list = append(list, w.gate())
	}
	return list
}

// observer follows the election of one slice after the other.
func (w *worker) observer() *part {
	return &part{name: roleObserver, actors: 1, round: func(ctx context.Context, a *actor) Nanos {
		slice, from, latest := w.slice(), Now(), int64(0)
		ctx, cancel := context.WithTimeout(ctx, w.Slice)
		defer cancel()
		o := leader.New(w.cli, object(roleElection, slice)).Observe(ctx)
		for p := range o.C {
			a.succeeded(from, Now())
			if !p.IsNobody() && p.Token < latest {
				a.violated("a leader with token %#x is seen after one with %#x", p.Token, latest)
			}
			latest = max(latest, p.Token)
			if w.slice() != slice || a.calm.Load() != 0 {
				cancel()
			}
		}
		return 0
	}}
}

// keeper keeps a node, whose data is a number that grows.
func (w *worker) keeper() *part {
	var k *node.Keeper
	var n atomic.Int64
	p := &part{name: roleKept, actors: 1}
	p.open = func(ctx context.Context) (err error) {
		k, err = node.Keep(ctx, w.cli, fmt.Sprintf("/kept/%d", w.ID), []byte("0"), node.Replace())
		return err
	}
	p.round = func(ctx context.Context, a *actor) Nanos {
		if err := k.Set(ctx, number(n.Add(1))); err != nil {
			return a.fail("set", err)
		}
		return Now()
	}
	p.rested = func() { w.rested(p, k, n.Load()) }
	return p
}

// rested notes what a keeper's node must be, once it is that.
func (w *worker) rested(p *part, k *node.Keeper, n int64) {
	if k == nil || k.Set(context.Background(), number(n)) != nil {
		w.journal.Put(Record{Op: Violated, Role: p.name, To: Now(), Result: "the node does not stand at rest"})
		return
	}
	s := k.Standing()
	w.journal.Put(Record{Op: Kept, Role: p.name, Object: s.Path, Token: s.Session, Value: n, To: Now()})
}

func number(n int64) []byte { return []byte(strconv.FormatInt(n, 10)) }

func parse(data []byte) int64 {
	n, _ := strconv.ParseInt(string(data), 10, 64)
	return n
}

// member is one in a group.
func (w *worker) member() *part {
	var k *node.Keeper
	var n atomic.Int64
	id := strconv.Itoa(w.ID)
	p := &part{name: roleGroup, actors: 1}
	p.open = func(ctx context.Context) (err error) {
		k, err = node.Join(ctx, w.cli, "/group", id, []byte("0"), node.Replace())
		return err
	}
	p.round = func(ctx context.Context, a *actor) Nanos {
		want := n.Add(1)
		if err := k.Set(ctx, number(want)); err != nil {
			return a.fail("set", err)
		}
		if err := w.cli.Sync(ctx, "/group"); err != nil {
			return a.fail("sync", err)
		}
		members, err := node.Members(ctx, w.cli, "/group")
		if err != nil {
			return a.fail("members", err)
		}
		for _, m := range members { // one that is not there may be between two sessions
			if m.ID == id && m.Err == nil && parse(m.Data) < want {
				a.violated("%d was set, and the group says %d", want, parse(m.Data))
			}
		}
		return Now()
	}
	p.rested = func() { w.rested(p, k, n.Load()) }
	return p
}

const gatePath = "/gate"

// gate is closed and opened again.
func (w *worker) gate() *part {
	b := barrier.New(w.cli, gatePath)
	p := &part{name: roleGate + " (set)", actors: 1}
	p.round = func(ctx context.Context, a *actor) Nanos {
		if err := b.Set(ctx); err != nil {
			return a.fail("set", err)
		}
		shut, from := a.gateNode(ctx), Now()
		histories.Wait(ctx, a.upTo(4*w.Pace))
		to := Now()
		again := a.gateNode(ctx)
		for a.resting.Err() == nil {
			err := b.Remove(a.resting)
			if err == nil {
				break
			}
			a.fail("remove", err)
			histories.Wait(a.resting, w.Pace)
		}
		if shut != 0 && shut == again { // an earlier Remove, whose request a network delivers late, has not opened it
			a.put(Record{Op: Closed, Object: gatePath, From: from, To: to})
		}
		return Now()
	}
	p.rested = func() { _ = b.Remove(context.Background()) }
	return p
}

// gateNode returns the czxid of the gate's node, 0 if that cannot be said.
func (a *actor) gateNode(ctx context.Context) int64 {
	if a.cli.Sync(ctx, gatePath) != nil {
		return 0
	}
	stat, _, err := a.cli.Exists(ctx, gatePath)
	if err != nil {
		return 0
	}
	return stat.Czxid
}

func (a *actor) passGate(ctx context.Context) Nanos {
	from := Now()
	if err := barrier.New(a.cli, gatePath).Wait(ctx); err != nil {
		return a.fail("wait", err)
	}
	at := Now()
	a.put(Record{Op: Waited, Object: gatePath, From: from, To: at})
	return at
}

// double enters and leaves together with all other workers.
func (w *worker) double() *part {
	d := barrier.NewDouble(w.cli, "/double", w.Workers, barrier.WithID(strconv.Itoa(w.ID)))
	return &part{name: roleDouble, actors: 1, round: func(ctx context.Context, a *actor) Nanos {
		from := Now()
		a.put(Record{Op: Attempted, From: from, To: from})
		in, err := d.Enter(ctx)
		if err != nil {
			return a.fail("enter", err)
		}
		at := Now()
		a.put(Record{Op: Entered, From: from, To: at})
		histories.Wait(in.Context(), a.upTo(30*time.Millisecond))
		if err := in.Leave(ctx); err != nil {
			return a.fail("leave", err)
		}
		a.put(Record{Op: Left, From: from, To: Now()})
		return at
	}}
}

// count adds to the counter of the slice.
func (w *worker) count() *part {
	least := make(map[string]int64) // what has been seen of each counter
	return &part{name: roleCounter, actors: 1, round: func(ctx context.Context, a *actor) Nanos {
		path := object(roleCounter, w.slice())
		c := counter.NewInt(w.cli, path, counter.Long)
		defer a.closeCounter(c)
		r := Record{Op: Added, Object: path, From: Now()}
		begun := r
		begun.Result = Unknown
		a.put(begun)
		sum, err := c.Add(ctx, 1)
		r.To, r.Value = Now(), sum
		switch {
		case errors.Is(err, framework.ErrOutcomeUnknown):
			r.Result = Unknown
		case err != nil:
			r.Result = Unsent
		}
		a.put(r)
		if err != nil {
			return a.fail("add", err)
		}
		at := r.To
		least[path] = max(least[path], sum)
		if got, err := c.Get(ctx); err == nil && got.Value < least[path] {
			a.violated("the counter is %d, and was %d before", got.Value, least[path])
		}
		return at
	}}
}

// closeCounter removes the receipt, which would be there until the session ends.
func (a *actor) closeCounter(c *counter.Int) {
	for err := c.Close(context.Background()); err != nil; err = c.Close(context.Background()) {
		a.fail("close", err)
		time.Sleep(a.Pace)
	}
}

// mirror has a cache of the beacons, which all workers set.
func (w *worker) mirror() *part {
	var tree *cache.Tree
	own := fmt.Sprintf("/beacons/%d", w.ID)
	seen := make(map[string]int64)
	b := &beacon{worker: w, path: own, value: int64(w.Life) << 32}
	p := &part{name: roleCache, actors: 1}
	p.open = func(ctx context.Context) (err error) {
		tree, err = cache.Open(ctx, w.cli, "/beacons")
		return err
	}
	p.round = func(ctx context.Context, a *actor) Nanos {
		n, err := b.next(ctx)
		if err != nil {
			return a.fail("set", err)
		}
		if err := tree.Sync(ctx); err != nil {
			return a.fail("sync", err)
		}
		at := Now()
		if got, ok := tree.Get(own); !ok || parse(got.Data) < n {
			a.violated("%d was set, and the cache says %q after Sync (%v)", n, got.Data, ok)
		}
		for path, got := range tree.All() {
			if parse(got.Data) < seen[path] {
				a.violated("%s was %d in the cache, and is %s", path, seen[path], got.Data)
			}
			seen[path] = parse(got.Data)
		}
		return at
	}
	p.rested = func() { _ = tree.Close() }
	return p
}

// beacon is a node with a number that only grows, even if a network delivers an earlier write late: each write is for one version.
type beacon struct {
	*worker
	path    string
	value   int64
	version int32
	known   bool // the version
}

// next sets the next number and returns it.
func (b *beacon) next(ctx context.Context) (int64, error) {
	if !b.known {
		if err := b.cli.Sync(ctx, b.path); err != nil {
			return 0, err
		}
		got, err := b.cli.Get(ctx, b.path)
		if err != nil {
			return 0, err
		}
		b.version = got.Stat.Version
	}
	b.value++
	b.known = false
	stat, err := b.cli.Set(ctx, b.path, number(b.value), b.version)
	if err != nil {
		return 0, err
	}
	b.version, b.known = stat.Version, true
	return b.value, nil
}

// service registers an instance and picks one of all.
func (w *worker) service() *part {
	registry := discovery.New(w.cli, servicesPath, discovery.AnyAddress[int64]())
	var view *discovery.Service[int64]
	var registration *discovery.Registration[int64]
	n := int64(0)
	instance := func() discovery.Instance[int64] {
		return discovery.Instance[int64]{Name: serviceName, ID: strconv.Itoa(w.ID), Address: "127.0.0.1", Port: 1, Payload: n}
	}
	p := &part{name: roleDiscovery, actors: 1}
	p.open = func(ctx context.Context) (err error) {
		if view == nil {
			if view, err = registry.Open(ctx, serviceName); err != nil {
				return err
			}
		}
		registration, err = registry.Register(ctx, instance())
		return err
	}
	p.round = func(ctx context.Context, a *actor) Nanos {
		if _, err := view.Pick(); err != nil {
			a.violated("nothing can be picked: %v", err)
		}
		n++
		if err := registration.Update(ctx, instance()); err != nil {
			return a.fail("update", err)
		}
		return Now()
	}
	p.rested = func() {
		if view != nil {
			_ = view.Close()
		}
		if registration != nil {
			w.journal.Put(Record{Op: Kept, Role: roleDiscovery, Object: registration.Path(), Token: registration.Standing().Session, Value: -1, To: Now()})
		}
	}
	return p
}
